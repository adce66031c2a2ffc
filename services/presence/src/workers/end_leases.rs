use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// At most so late is told that somebody went.
const LATEST: Duration = Duration::from_secs(1);
/// Live is not asked more often.
const EARLIEST: Duration = Duration::from_millis(50);

/// Takes ended leases apart, every second or oftener when leases are short, and whenever a node gives its own back, until
/// `stop`.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn end_leases(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let grace = if app.grace.is_zero() { LATEST } else { app.grace / 4 };
    let every = (app.roster.lease_ttl() / 2).min(grace).clamp(EARLIEST, LATEST);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.lease_ended.notified() => {}
            () = tokio::time::sleep(every) => {}
        }
        if let Some(Err(error)) = stop.run_until_cancelled(app.end_leases()).await {
            tracing::warn!(%error, "ended leases could not be taken apart");
        }
    }
}
