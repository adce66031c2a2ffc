//! The outbox: a state change and its event commit together, and the [`Relay`] publishes the event afterwards.
//!
//! The table is part of the service's own schema:
//!
//! ```sql
//! CREATE TABLE outbox (
//!     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//!     topic text NOT NULL, key bytea NOT NULL, payload bytea NOT NULL, headers jsonb NOT NULL,
//!     created_at timestamptz NOT NULL DEFAULT now()
//! );
//! ```

use std::sync::Arc;
use std::time::Duration;

use godwit_pg::{Connection, Pool};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::{Error, EventLog, NewRecord, store};

/// How often the relay looks without being woken.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How often a relay that is not the one at work tries to become it.
const STANDBY_INTERVAL: Duration = Duration::from_secs(2);
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
const BATCH_ROWS: i64 = 500;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(15);

/// Puts records into the `outbox` table of the connection's schema, inside the caller's transaction. Two transactions
/// that put in records of the same key must exclude each other (by a lock on what the key names), or the order of
/// their records is not defined.
///
/// # Errors
/// When a record is over [`crate::RECORD_BYTES_MAX`], or the database refuses or does not answer.
pub async fn enqueue(connection: &mut Connection, records: Vec<NewRecord>) -> Result<(), godwit_pg::Error> {
    if records.is_empty() {
        return Ok(());
    }
    for record in &records {
        record.validate().map_err(store::outbox::refused)?;
    }
    store::outbox::insert(connection, &records).await
}

/// Wakes the relay of this process after a commit, so that it need not look by itself first.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There may be new rows.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Publishes what is in an outbox, in order, and deletes it. Of the relays of all replicas one works at a time: it
/// holds an advisory lock on a connection of its own. When that connection is lost while a batch is on its way,
/// another relay may publish the same batch again.
pub struct Relay {
    pool: Pool,
    events: Arc<dyn EventLog>,
    waker: Waker,
}

impl Relay {
    /// The relay of the outbox in the schema of `pool`.
    pub fn new(pool: Pool, events: Arc<dyn EventLog>) -> Self {
        Self { pool, events, waker: Waker::default() }
    }

    /// What wakes this relay; it looks every 200 ms without it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Works until `stop` is cancelled; an unreachable database or stream is waited for.
    ///
    /// # Errors
    /// Only when the database's configuration is wrong.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
        loop {
            let pause = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                outcome = self.lead(&mut backoff) => match outcome {
                    Ok(()) => STANDBY_INTERVAL,
                    Err(error @ Error::Configuration(_)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be relayed now");
                        backoff.pause()
                    }
                },
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Relays as long as the lock is held; returns at once when another relay has it.
    async fn lead(&self, backoff: &mut Backoff) -> Result<(), Error> {
        let mut connection = self.pool.dedicated().await?;
        if !store::outbox::try_lock(&mut connection).await? {
            return Ok(());
        }
        let schema = store::outbox::schema_name(&mut connection).await?;
        let mut measure_at = Instant::now();
        loop {
            if measure_at <= Instant::now() {
                measure(&mut connection, &schema).await?;
                measure_at = Instant::now() + MEASURE_INTERVAL;
            }
            let rows = store::outbox::first(&mut connection, BATCH_ROWS).await?;
            if rows.is_empty() {
                let _woken_or_not = tokio::time::timeout(POLL_INTERVAL, self.waker.0.notified()).await;
                continue;
            }
            if let Err(error) = self.relay(&mut connection, rows, &schema).await? {
                let pause = backoff.pause();
                metrics::counter!("godwit_outbox_retries_total", "schema" => schema.clone()).increment(1);
                tracing::warn!(
                    schema,
                    pause_ms = pause.as_millis(),
                    error = &error as &dyn std::error::Error,
                    "the event stream does not take the outbox now"
                );
                tokio::time::sleep(pause).await;
                continue;
            }
            backoff.reset();
        }
    }

    /// The outer error is the database's, the inner one the stream's.
    async fn relay(
        &self,
        connection: &mut Connection,
        rows: Vec<(i64, NewRecord)>,
        schema: &str,
    ) -> Result<Result<(), Error>, Error> {
        let (ids, records): (Vec<i64>, Vec<NewRecord>) = rows.into_iter().unzip();
        if let Err(error) = self.events.publish(records).await {
            return Ok(Err(error));
        }
        store::outbox::delete(connection, &ids).await?;
        metrics::counter!("godwit_outbox_relayed_total", "schema" => schema.to_owned()).increment(ids.len() as u64);
        Ok(Ok(()))
    }
}

async fn measure(connection: &mut Connection, schema: &str) -> Result<(), Error> {
    let backlog = store::outbox::backlog(connection).await?;
    #[expect(clippy::cast_precision_loss, reason = "the count is bounded far below 2^52")]
    metrics::gauge!("godwit_outbox_rows", "schema" => schema.to_owned()).set(backlog.rows as f64);
    metrics::gauge!("godwit_outbox_oldest_seconds", "schema" => schema.to_owned())
        .set(backlog.oldest_secs.unwrap_or(0.0));
    Ok(())
}
