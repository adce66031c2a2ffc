use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Users told of at once: a node that comes back with all its users must not bury the chat service.
const CONCURRENCY: usize = 16;

/// Tells peers of whoever came or went, until `stop`.
///
/// # Errors
/// Never; who is not told now learns it when they ask.
pub async fn announce(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    while let Some(users) = stop.run_until_cancelled(app.announcements.take(CONCURRENCY * 8)).await {
        let announced = stream::iter(users).for_each_concurrent(CONCURRENCY, |user_id| {
            let app = Arc::clone(&app);
            async move {
                if let Err(error) = app.announce(user_id).await {
                    metrics::counter!("godwit_presence_announcements_failed_total").increment(1);
                    tracing::debug!(%error, "a change of presence was not told");
                }
            }
        });
        if stop.run_until_cancelled(announced).await.is_none() {
            break;
        }
    }
    Ok(())
}
