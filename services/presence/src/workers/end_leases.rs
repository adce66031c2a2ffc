use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Takes ended leases apart, twice in a lease's time and whenever a node gives its own back, until `stop`.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn end_leases(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.lease_ended.notified() => {}
            () = tokio::time::sleep(app.roster.lease_ttl() / 2) => {}
        }
        if let Some(Err(error)) = stop.run_until_cancelled(app.end_leases()).await {
            tracing::warn!(%error, "ended leases could not be taken apart");
        }
    }
}
