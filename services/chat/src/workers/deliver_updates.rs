use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;

const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
/// After the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Repeats the appends that are due every `every`, and at once again while there is more; measures what is pending on
/// the way.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn deliver_updates(app: Arc<App>, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut measure_at = Instant::now();
    let mut has_more = false;
    while !stop.is_cancelled() {
        if !has_more && stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        has_more = match stop.run_until_cancelled(app.deliver_due_updates()).await {
            None => break,
            Some(Ok(has_more)) => has_more,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "pending updates could not be read");
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                false
            }
        };
        if measure_at <= Instant::now() {
            measure(&app).await;
            measure_at = Instant::now() + MEASURE_INTERVAL;
        }
    }
    Ok(())
}

/// A measurement that fails is left out: the delivery beside it tells of a database that is down.
async fn measure(app: &App) {
    if let Ok(backlog) = app.pending_backlog().await {
        metrics::gauge!("godwit_chat_pending_updates").set(f64::from(backlog.update_count));
        metrics::gauge!("godwit_chat_pending_oldest_seconds").set(backlog.oldest_age.as_secs_f64());
    }
}
