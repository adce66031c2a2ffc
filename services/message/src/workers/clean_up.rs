use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::app::{Cleaner, Progress};

/// Between two rounds while there is more to do: sends come first.
const BREATH: Duration = Duration::from_millis(20);

/// Cleans every `every`, and goes on with little pause while there is more.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn clean_up(mut cleaner: Cleaner, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut progress = Progress::Done;
    loop {
        let goes_on = match progress {
            Progress::Done => stop.run_until_cancelled(ticks.tick()).await.is_some(),
            Progress::More => stop.run_until_cancelled(tokio::time::sleep(BREATH)).await.is_some(),
        };
        if !goes_on {
            return Ok(());
        }
        progress = cleaner.clean().await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was deleted is not cleaned up yet");
            Progress::Done
        });
    }
}
