use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::DeviceId;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often due deliveries are looked for without being told.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long tries may take to end when the process stops; what does not end is tried again when its claim ends.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Makes the tries that are due, at most `concurrency` at once and one of a device: a push service that is slow holds
/// up nothing but its own.
pub async fn send_due(app: Arc<App>, concurrency: usize, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tries: JoinSet<DeviceId> = JoinSet::new();
    let mut busy: HashSet<DeviceId> = HashSet::new();
    while !stop.is_cancelled() {
        let free = concurrency.saturating_sub(tries.len());
        let mut pause = POLL_INTERVAL;
        if free > 0 {
            match app.claim_due(free, &busy.iter().copied().collect::<Vec<_>>()).await {
                Ok(claimed) => {
                    for telling in claimed {
                        let device_id = telling.delivery.device_id;
                        busy.insert(device_id);
                        let app = Arc::clone(&app);
                        tries.spawn(async move {
                            if let Err(error) = app.deliver(&telling).await {
                                tracing::warn!(
                                    error = &error as &dyn std::error::Error,
                                    "how a delivery ended could not be kept"
                                );
                            }
                            device_id
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "deliveries cannot be claimed now");
                    pause = RETRY_PAUSE;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = tries.join_next() => {
                busy.remove(&device_of(ended));
                while let Some(ended) = tries.try_join_next() {
                    busy.remove(&device_of(ended));
                }
            }
            () = app.enqueued.notified(), if free > 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let ended = async { while tries.join_next().await.is_some() {} };
    let _all_or_late = timeout(STOP_GRACE, ended).await;
    Ok(())
}

/// A panic in a try is one of the service: it takes the process down.
fn device_of(ended: Result<DeviceId, JoinError>) -> DeviceId {
    match ended {
        Ok(device) => device,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
