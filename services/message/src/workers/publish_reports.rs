use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::ReportPublisher;

const INTERVAL: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(10);

/// Tells moderators of reports, every second.
///
/// # Errors
/// Never: what is down is waited for.
pub async fn publish_reports(publisher: ReportPublisher, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_more = false;
    loop {
        if !has_more && stop.run_until_cancelled(ticks.tick()).await.is_none() || stop.is_cancelled() {
            return Ok(());
        }
        has_more = match publisher.publish().await {
            Ok(has_more) => has_more,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "reports could not be published");
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                false
            }
        };
    }
}
