use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::error::Error;

/// Gives up uploads that were never completed or that nothing refers to, and removes objects that nothing needs, round by
/// round, once in `interval`.
pub async fn expire_uploads(app: Arc<App>, interval: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(interval);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = rounds.tick() => {}
        }
        if let Err(error) = round(&app, &stop).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "uploads could not be removed; again later");
        }
    }
}

async fn round(app: &App, stop: &CancellationToken) -> Result<(), Error> {
    while app.expire_uploads().await? && !stop.is_cancelled() {}
    while app.collect_garbage().await? && !stop.is_cancelled() {}
    app.count_jobs().await
}
