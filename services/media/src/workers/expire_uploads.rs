use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Gives up uploads that were never completed, round by round, once in `interval`.
pub async fn expire_uploads(app: Arc<App>, interval: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(interval);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = rounds.tick() => {}
        }
        loop {
            match app.expire_uploads().await {
                Ok(true) if !stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "uploads could not be given up; again later"
                    );
                    break;
                }
            }
        }
    }
}
