//! What the service does by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// The most updates taken at once.
const BATCH: u32 = 100;

/// Appends updates whose call could not: the log was not reachable, or the process died after the commit. Several
/// replicas share the work.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn append_pending(app: Arc<App>, interval: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let appended = stop.run_until_cancelled(app.append_due(BATCH)).await;
        if let Some(Err(error)) = appended {
            tracing::warn!(error = &error as &dyn std::error::Error, "pending updates could not be looked for");
        }
    }
    Ok(())
}
