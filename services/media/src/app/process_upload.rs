use std::time::Duration;

use godwit_kernel::{Entropy, UserId, jittered};
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};

use super::App;
use crate::domain::{Job, Rejection, State, Verdict};
use crate::error::Error;
use crate::processing::{self, Processor};
use crate::store::{self, Failure};

/// How long a claim lasts without being kept: then its holder is taken for dead.
pub const CLAIM_TTL: Duration = Duration::from_secs(120);
/// How often a claim is kept.
const KEEP_INTERVAL: Duration = Duration::from_secs(20);
/// After so many claims without a result, the upload is given up.
const ATTEMPTS_MAX: u32 = 5;
/// After so many outages, too: a week or so at the longest pauses. What is in an upload may be what ends the scanner.
const OUTAGES_MAX: u32 = 3_000;
const FIRST_PAUSE_SECS: u64 = 2;
const LONGEST_PAUSE_SECS: u64 = 300;
/// Of what is kept of an error, for operators.
const ERROR_CHARS: usize = 500;

impl App {
    /// Claims an upload to look at, of nobody who is `passed_over`; `None` when there is none.
    ///
    /// # Errors
    /// When the database does.
    pub async fn claim_job(&self, passed_over: &[UserId]) -> Result<Option<Job>, Error> {
        let now = self.clock.now();
        let claim = uuid::Builder::from_random_bytes(self.entropy.bytes::<16>()).into_uuid();
        let mut conn = self.pool.get().await?;
        Ok(store::claim_job(&mut conn, claim, now, now + CLAIM_TTL, passed_over).await?)
    }

    /// Looks at a claimed upload and keeps what came of it. Done twice, by a replica that was taken for dead, it changes
    /// nothing the second time.
    ///
    /// # Errors
    /// When the database does: the claim then ends by itself.
    #[tracing::instrument(name = "media.process_upload", skip_all, fields(media.id = %job.media.id))]
    pub async fn process_upload(&self, processor: &Processor, job: &Job) -> Result<(), Error> {
        // Claims that ended with their process: it may be what is in the upload that ends it.
        if job.media.state == State::Processing && job.attempts > ATTEMPTS_MAX {
            return self.give_up_job(job, "its processes died").await;
        }
        let begun_at = tokio::time::Instant::now();
        let result = tokio::select! {
            result = self.look(processor, job) => result,
            lost = self.keep_claim(job) => return lost,
        };
        let outcome = match &result {
            Ok(Verdict::Accepted(_)) => "accepted",
            Ok(Verdict::Rejected(_)) => "rejected",
            Err(error) if error.is_outage() => "outage",
            Err(_) => "fault",
        };
        metrics::histogram!("godwit_media_job_seconds", "kind" => job.media.kind.as_str(), "outcome" => outcome)
            .record(begun_at.elapsed().as_secs_f64());
        self.settle(job, result).await
    }

    /// Leaves a claimed upload to others, at once: this process ends.
    ///
    /// # Errors
    /// When the database does.
    pub async fn release_job(&self, job: &Job) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::postpone_job(&mut conn, job, Failure::Outage, "its process ended", self.clock.now()).await?)
    }

    async fn look(&self, processor: &Processor, job: &Job) -> Result<Verdict, processing::Error> {
        match processor.assemble(&job.media, &job.part_etags).await {
            Ok(()) => processor.look_at(&job.media).await,
            Err(processing::Error::Rejected(rejection)) => Ok(Verdict::Rejected(rejection)),
            Err(error) => Err(error),
        }
    }

    /// Keeps the claim for as long as the upload is looked at; ends when it is somebody else's.
    async fn keep_claim(&self, job: &Job) -> Result<(), Error> {
        let mut rounds = interval(KEEP_INTERVAL);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        rounds.tick().await;
        loop {
            rounds.tick().await;
            let mut conn = self.pool.get().await?;
            if !store::keep_claim(&mut conn, job, self.clock.now() + CLAIM_TTL).await? {
                return Ok(());
            }
        }
    }

    async fn settle(&self, job: &Job, result: Result<Verdict, processing::Error>) -> Result<(), Error> {
        let now = self.clock.now();
        let collect_at = now + self.unused_ttl;
        match result {
            Ok(Verdict::Accepted(accepted)) => {
                let mut conn = self.pool.get().await?;
                if store::accept(&mut conn, job, &accepted, now, collect_at).await? {
                    metrics::counter!("godwit_media_verdicts_total", "verdict" => "READY").increment(1);
                }
            }
            Ok(Verdict::Rejected(rejection)) => self.reject(job, rejection, None).await?,
            Err(error) => self.fail(job, &error, now).await?,
        }
        self.processed.notify_waiters();
        Ok(())
    }

    async fn fail(&self, job: &Job, error: &processing::Error, now: OffsetDateTime) -> Result<(), Error> {
        let told = told(error);
        let failure = if error.is_outage() { Failure::Outage } else { Failure::Fault };
        tracing::warn!(error = told, attempts = job.attempts, "an upload could not be looked at");
        if job.outages >= OUTAGES_MAX || (failure == Failure::Fault && job.attempts >= ATTEMPTS_MAX) {
            return self.give_up_job(job, &told).await;
        }
        metrics::counter!("godwit_media_jobs_retried_total", "failure" => failure.name()).increment(1);
        let pause = pause_after(job.attempts.saturating_add(job.outages), self.entropy.as_ref());
        let mut conn = self.pool.get().await?;
        Ok(store::postpone_job(&mut conn, job, failure, &told, now + pause).await?)
    }

    /// A dead letter: the job stays with its error, the upload is rejected.
    async fn give_up_job(&self, job: &Job, told: &str) -> Result<(), Error> {
        tracing::error!(error = told, "an upload is given up: nobody can look at it");
        metrics::counter!("godwit_media_jobs_dead_total").increment(1);
        self.reject(job, Rejection::Failed, Some(told)).await?;
        self.processed.notify_waiters();
        Ok(())
    }

    async fn reject(&self, job: &Job, rejection: Rejection, given_up: Option<&str>) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        if store::reject(&mut conn, job, rejection, given_up, (now, now + self.unused_ttl)).await? {
            metrics::counter!("godwit_media_verdicts_total", "verdict" => rejection.as_str()).increment(1);
        }
        Ok(())
    }
}

/// The error with its sources.
fn told(error: &processing::Error) -> String {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told.chars().take(ERROR_CHARS).collect()
}

/// Twice as long each time, to 5 minutes; by half to all of it, so that what failed together does not come together.
fn pause_after(tries: u32, entropy: &dyn Entropy) -> Duration {
    let secs = FIRST_PAUSE_SECS.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE_SECS);
    jittered(Duration::from_secs(secs), entropy)
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for tries in 0..40 {
            let secs = (FIRST_PAUSE_SECS << tries.min(16)).min(LONGEST_PAUSE_SECS);
            let pause = pause_after(tries, &SystemEntropy);
            assert!((secs * 500..=secs * 1_000).contains(&u64::try_from(pause.as_millis()).unwrap()), "{pause:?}");
        }
    }
}
