use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// After the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Puts people out of chats that are gone, every `every`, and at once again while there is more.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn empty_chats(app: Arc<App>, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_more = false;
    while !stop.is_cancelled() {
        if !has_more && stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        has_more = match stop.run_until_cancelled(app.empty_deleted_chats()).await {
            None => break,
            Some(Ok(has_more)) => has_more,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "chats that are gone could not be emptied");
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                false
            }
        };
    }
    Ok(())
}
