use std::sync::Arc;

use time::Duration;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How old what the keyring knows may be.
const INTERVAL: Duration = Duration::seconds(30);
/// How often the clock is asked whether it is.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// Lets the keyring make, read and drop keys every 30 s, until `stop` is cancelled.
pub async fn turn_keys(app: Arc<App>, stop: CancellationToken) {
    let mut turned_at = app.clock.now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = app.clock.now();
        // Also after a clock that was ahead went back.
        if (now - turned_at).abs() < INTERVAL {
            continue;
        }
        match app.keyring.turn(now).await {
            Ok(()) => turned_at = now,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the token keys cannot be read now");
            }
        }
    }
}
