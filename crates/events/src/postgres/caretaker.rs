//! What one consumer of a process does for all: listen for other processes' records, and delete old ones.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::Inner;
use crate::backoff::Backoff;
use crate::{Error, store, topics};

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Waits until no other consumer of the process is the caretaker, and is it until the future is dropped.
pub(super) async fn run(inner: &Inner) -> Infallible {
    let _only_one = inner.caretaker.lock().await;
    let (listening, deleting) = (listen(inner), delete_old(inner));
    tokio::select! {
        never = listening => never,
        never = deleting => never,
    }
}

async fn listen(inner: &Inner) -> Infallible {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        let Err(error) = listen_once(inner, &mut backoff).await;
        tracing::debug!(error = &error as &dyn std::error::Error, "not listening for new records; looking for them");
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn listen_once(inner: &Inner, backoff: &mut Backoff) -> Result<Infallible, Error> {
    let mut connection = inner.pool.dedicated().await?;
    store::listen(&mut connection).await?;
    backoff.reset();
    let mut notifications = std::pin::pin!(connection.notifications_stream());
    loop {
        match notifications.next().await {
            Some(Ok(notification)) if notification.payload == inner.process => {}
            Some(Ok(_)) => inner.wake.send_modify(|count| *count = count.wrapping_add(1)),
            Some(Err(error)) => return Err(godwit_pg::Error::from(error).into()),
            None => return Err(Error::unavailable("the connection ended")),
        }
    }
}

async fn delete_old(inner: &Inner) -> Infallible {
    let mut next = Instant::now() + inner.options.retention_interval;
    loop {
        tokio::time::sleep_until(next).await;
        next += inner.options.retention_interval;
        for &topic in topics::ALL {
            let deleted = async {
                let mut connection = inner.pool.get().await?;
                store::delete_old(&mut connection, topic).await
            };
            match deleted.await {
                Ok(count) => {
                    metrics::counter!("godwit_events_expired_total", "topic" => topic.name).increment(count as u64);
                }
                Err(error) => tracing::warn!(
                    topic = topic.name,
                    error = &error as &dyn std::error::Error,
                    "records past their retention were not deleted"
                ),
            }
        }
    }
}
