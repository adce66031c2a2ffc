use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use metrics::describe_counter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Channel, Live};

/// Between two tries to tell.
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// Between two tellings: each has much looked up.
const TOLD_PAUSE: Duration = Duration::from_secs(5);

/// Word that could not be published and that nothing else brings: who listens must find out by themselves. They are told as
/// soon as live takes it.
#[derive(Debug)]
pub struct Losses {
    noted: Notify,
}

impl Default for Losses {
    fn default() -> Self {
        describe_counter!(
            "godwit_live_losses_total",
            "Word that everybody must find out by themselves, for it was not published"
        );
        Self { noted: Notify::new() }
    }
}

impl Losses {
    /// Something was lost. Returns at once.
    pub fn note(&self) {
        metrics::counter!("godwit_live_losses_total").increment(1);
        self.noted.notify_one();
    }

    /// Tells of losses by `payload`, on the channel that everybody follows, until `stop`.
    pub async fn tell(&self, live: &dyn Live, payload: Bytes, stop: CancellationToken) {
        let telling = async {
            loop {
                self.noted.notified().await;
                // What was noted since is told with it.
                self.noted.notified().now_or_never();
                while let Err(error) = live.publish(vec![(Channel::Sessions, payload.clone())]).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a loss is not told yet");
                    tokio::time::sleep(TRY_PAUSE).await;
                }
                tokio::time::sleep(TOLD_PAUSE).await;
            }
        };
        stop.run_until_cancelled(telling).await;
    }
}
