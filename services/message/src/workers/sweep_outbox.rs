use std::time::Duration;

use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::app::Sweeper;

const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
/// After the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Sweeps every `every`, and at once again while there is more; measures the outbox on the way.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn sweep_outbox(sweeper: Sweeper, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut measure_at = Instant::now();
    let mut has_more = false;
    loop {
        if !has_more && stop.run_until_cancelled(ticks.tick()).await.is_none() {
            return Ok(());
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        has_more = match sweeper.sweep().await {
            Ok(has_more) => has_more,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outbox could not be swept");
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                false
            }
        };
        if measure_at <= Instant::now() {
            measure(&sweeper).await;
            measure_at = Instant::now() + MEASURE_INTERVAL;
        }
    }
}

/// A measurement that fails is left out: the sweep beside it tells of a database that is down.
async fn measure(sweeper: &Sweeper) {
    if let Ok(backlog) = sweeper.backlog().await {
        metrics::gauge!("godwit_message_outbox_updates").set(f64::from(backlog.update_count));
        metrics::gauge!("godwit_message_outbox_oldest_seconds").set(backlog.oldest_age.as_secs_f64());
    }
}
