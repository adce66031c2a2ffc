use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::app::App;

const INTERVAL: Duration = Duration::from_secs(600);

/// Deletes what has ended and anonymises accounts whose time to return is over, now and every ten minutes, until `stop`
/// is cancelled.
pub async fn purge_periodically(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Err(error) = purge(&app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what has ended cannot be deleted now");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn purge(app: &App) -> Result<(), Error> {
    let purged = app.store.purge(app.clock.now()).await?;
    metrics::counter!("godwit_auth_purged_rows_total").increment(purged.total() as u64);
    let accounts = app.purge_accounts().await?;
    tracing::debug!(?purged, accounts, "what had ended is deleted");
    Ok(())
}
