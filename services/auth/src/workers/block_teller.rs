use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often the worker looks, and how long it rests at most while the chat service does not answer.
const INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tells the chat service of blocks whose calls could not, until `stop` is cancelled. While some fail, the pauses grow;
/// each round goes on behind the last, so that pairs that always fail hold up no others.
pub async fn tell_blocks(app: Arc<App>, stop: CancellationToken) {
    let (mut after, mut pause) = (None, INTERVAL);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let Some(round) = stop.run_until_cancelled(app.tell_untold_blocks(after)).await else { return };
        match round {
            Ok(told) => {
                after = told.next;
                pause = if told.failure_count == 0 { INTERVAL } else { (pause * 2).min(LONGEST_PAUSE) };
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "untold blocks cannot be read now");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
