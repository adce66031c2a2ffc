use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use godwit_events::postgres::PostgresLog;
use godwit_events::{BatchHandler, ConsumerGroup, Error, EventLog, NewRecord};
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

/// A stream that a test can take down.
pub struct SwitchedStream {
    log: PostgresLog,
    is_down: AtomicBool,
}

impl SwitchedStream {
    pub fn over(log: PostgresLog) -> Self {
        Self { log, is_down: AtomicBool::new(false) }
    }

    pub fn take_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    pub fn bring_up(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }
}

#[async_trait]
impl EventLog for SwitchedStream {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<(), Error> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Error::Overloaded);
        }
        self.log.publish(records).await
    }

    async fn consume(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn BatchHandler>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        self.log.consume(group, handler, stop).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.log.check().await
    }
}
