use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::processing::Processor;

/// How often jobs are looked for without being told: those of other replicas, and those to be done again.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long jobs may take to end when the process stops; what does not end is done again when its claim ends.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Looks at uploads as they come, at most `concurrency` at once.
pub async fn process_uploads(
    app: Arc<App>,
    processor: Arc<Processor>,
    concurrency: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut jobs: JoinSet<()> = JoinSet::new();
    while !stop.is_cancelled() {
        let mut pause = POLL_INTERVAL;
        while jobs.len() < concurrency {
            match app.claim_job().await {
                Ok(Some(job)) => {
                    let (app, processor) = (Arc::clone(&app), Arc::clone(&processor));
                    jobs.spawn(async move {
                        if let Err(error) = app.process_upload(&processor, &job).await {
                            // Its claim ends by itself, and then it is done again.
                            let error = &error as &dyn std::error::Error;
                            tracing::warn!(error, "what came of an upload could not be kept");
                        }
                    });
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "jobs cannot be claimed now");
                    pause = RETRY_PAUSE;
                    break;
                }
            }
        }
        let is_free = jobs.len() < concurrency;
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = jobs.join_next() => {
                if let Err(error) = ended {
                    // A panic in a job is one of the service: it takes the process down.
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            () = app.uploaded.notified(), if is_free => {}
            () = sleep(pause), if is_free => {}
        }
    }
    let ended = async { while jobs.join_next().await.is_some() {} };
    let _all_or_late = timeout(STOP_GRACE, ended).await;
    Ok(())
}
