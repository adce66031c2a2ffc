use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

const INTERVAL: Duration = Duration::from_secs(600);

/// Deletes what has ended, now and every ten minutes, until `stop` is cancelled.
pub async fn purge_periodically(app: Arc<App>, stop: CancellationToken) {
    loop {
        match app.store.purge(app.clock.now()).await {
            Ok(purged) => {
                let rows = purged.registrations
                    + purged.usernames
                    + purged.codes
                    + purged.throttles
                    + purged.sessions
                    + purged.revocations;
                metrics::counter!("godwit_auth_purged_rows_total").increment(rows as u64);
                tracing::debug!(?purged, "what had ended is deleted");
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what has ended cannot be deleted now");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
