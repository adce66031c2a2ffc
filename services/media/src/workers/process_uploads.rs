use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::UserId;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::Job;
use crate::processing::Processor;

/// How often jobs are looked for without being told: those of other replicas, and those to be done again.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long jobs may take to end when the process stops; what does not end is left to others at once.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// How long it may take to say so; whoever is not heard leaves it to the end of the claim.
const RELEASE_GRACE: Duration = Duration::from_secs(2);

/// Looks at uploads as they come, at most `concurrency` at once. One of these is left to others than whoever has all the
/// rest: long films of one person do not hold up everybody's pictures.
pub async fn process_uploads(
    app: Arc<App>,
    processor: Arc<Processor>,
    concurrency: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut jobs: JoinSet<UserId> = JoinSet::new();
    let mut held: HashMap<UserId, usize> = HashMap::new();
    let each = concurrency.saturating_sub(1).max(1);
    let cut = CancellationToken::new();
    while !stop.is_cancelled() {
        let mut pause = POLL_INTERVAL;
        while jobs.len() < concurrency {
            let have_their_share = held.iter().filter(|(_, count)| **count >= each);
            let passed_over: Vec<UserId> = have_their_share.map(|(owner_id, _)| *owner_id).collect();
            match app.claim_job(&passed_over).await {
                Ok(Some(job)) => {
                    *held.entry(job.media.owner_id).or_default() += 1;
                    jobs.spawn(work(Arc::clone(&app), Arc::clone(&processor), job, cut.clone()));
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
            Some(ended) = jobs.join_next() => match ended {
                Ok(owner_id) => {
                    held.entry(owner_id).and_modify(|count| *count -= 1);
                    held.retain(|_, count| *count > 0);
                }
                // A panic in a job is one of the service: it takes the process down.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = app.uploaded.notified(), if is_free => {}
            () = sleep(pause), if is_free => {}
        }
    }
    if timeout(STOP_GRACE, join_all(&mut jobs)).await.is_err() {
        cut.cancel();
        let _told_or_late = timeout(RELEASE_GRACE, join_all(&mut jobs)).await;
    }
    Ok(())
}

/// Tells whose upload it was.
async fn work(app: Arc<App>, processor: Arc<Processor>, job: Job, cut: CancellationToken) -> UserId {
    let done = tokio::select! {
        done = app.process_upload(&processor, &job) => done,
        () = cut.cancelled() => app.release_job(&job).await,
    };
    if let Err(error) = done {
        // Its claim ends by itself, and then it is done again.
        tracing::warn!(error = &error as &dyn std::error::Error, "what came of an upload could not be kept");
    }
    job.media.owner_id
}

async fn join_all(jobs: &mut JoinSet<UserId>) {
    while jobs.join_next().await.is_some() {}
}
