use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use godwit_events::postgres::PostgresLog;
use godwit_events::{BatchHandler, ConsumerGroup, Error, EventLog, NewRecord};
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

/// A stream that a test can take down.
pub struct SwitchedStream {
    log: PostgresLog,
    is_down: AtomicBool,
    published: Mutex<Vec<Bytes>>,
}

impl SwitchedStream {
    pub fn over(log: PostgresLog) -> Self {
        Self { log, is_down: AtomicBool::new(false), published: Mutex::default() }
    }

    pub fn take_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// What was published since this was asked last.
    pub fn take_published(&self) -> Vec<Bytes> {
        std::mem::take(&mut *self.published.lock().unwrap())
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
        self.published.lock().unwrap().extend(records.iter().map(|record| record.payload.clone()));
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
