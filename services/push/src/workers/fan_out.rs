use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often messages are looked for without being told.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Finds the recipients of messages, page by page.
pub async fn fan_out(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let pause = match app.fan_out().await {
            Ok(0) => POLL_INTERVAL,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "recipients cannot be found now");
                RETRY_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.bells.noted.notified(), if pause == POLL_INTERVAL => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
