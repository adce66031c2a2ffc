use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

const INTERVAL: Duration = Duration::from_secs(15);

/// Forgets what is too old to be told, round by round.
pub async fn expire_notifications(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        if let Err(error) = app.expire_notifications().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old notifications could not be forgotten");
        }
    }
    Ok(())
}
