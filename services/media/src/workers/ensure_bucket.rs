use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::object_store::ObjectStore;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Makes sure once that the bucket is there. An object store that is down does not keep the process from starting:
/// everything but uploads works without it.
pub async fn ensure_bucket(objects: Arc<ObjectStore>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        match objects.ensure_bucket().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the object store is not there yet");
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the bucket cannot be used: check GODWIT_MEDIA_S3_*"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
