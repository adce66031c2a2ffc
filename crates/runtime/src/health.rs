use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

/// A report is reused this long, so that probes of any frequency cost the parts the same.
const REPORT_TTL: Duration = Duration::from_secs(2);
/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What the failure of a check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The process cannot serve: it is not ready.
    Required,
    /// The process serves less (ARCHITECTURE: when a part is down); it stays ready and the check shows as failed.
    Degrades,
}

type Check = dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync;

/// The checks of a process and whether it takes requests. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    checks: Mutex<Vec<Arc<Registered>>>,
    /// Held while checks run: concurrent probes wait for one run and share its report.
    report: tokio::sync::Mutex<Option<(Instant, Arc<Report>)>>,
}

struct Registered {
    name: String,
    weight: Weight,
    check: Box<Check>,
}

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Starting,
    Running,
    Draining,
}

/// The answer of `/health/ready`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub ready: bool,
    pub phase: Phase,
    pub checks: Vec<Outcome>,
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub name: String,
    pub ok: bool,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub duration_ms: u128,
}

impl Health {
    /// No checks; the process is starting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. It is run when somebody asks, at most every two seconds, and fails after two.
    pub fn register<F, Fut>(&self, name: impl Into<String>, weight: Weight, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let check: Box<Check> = Box::new(move || Box::pin(check()));
        self.shared.checks.lock().push(Arc::new(Registered { name: name.into(), weight, check }));
    }

    /// Whether the process takes requests now: it runs, does not drain, and no required check fails.
    pub async fn is_ready(&self) -> bool {
        self.report().await.ready
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.shared.phase.store(phase as u8, Ordering::Release);
    }

    fn phase(&self) -> Phase {
        match self.shared.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Running as u8 => Phase::Running,
            phase if phase == Phase::Draining as u8 => Phase::Draining,
            _ => Phase::Starting,
        }
    }

    pub(crate) async fn report(&self) -> Report {
        let mut kept = self.shared.report.lock().await;
        let checked = match kept.as_ref() {
            Some((made_at, report)) if made_at.elapsed() < REPORT_TTL => Arc::clone(report),
            _ => {
                let report = Arc::new(self.run_checks().await);
                *kept = Some((Instant::now(), Arc::clone(&report)));
                report
            }
        };
        // The phase is never cached: draining shows at once.
        let phase = self.phase();
        Report { ready: checked.ready && phase == Phase::Running, phase, checks: checked.checks.clone() }
    }

    async fn run_checks(&self) -> Report {
        let checks = self.shared.checks.lock().clone();
        let checks = join_all(checks.iter().map(|registered| registered.run())).await;
        let ready = checks.iter().all(|outcome| outcome.ok || !outcome.required);
        Report { ready, phase: self.phase(), checks }
    }
}

impl Registered {
    async fn run(&self) -> Outcome {
        let started_at = Instant::now();
        let error = match tokio::time::timeout(CHECK_TIMEOUT, (self.check)()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
        };
        metrics::gauge!("godwit_health_check_ok", "check" => self.name.clone()).set(if error.is_none() {
            1.0
        } else {
            0.0
        });
        Outcome {
            name: self.name.clone(),
            ok: error.is_none(),
            required: self.weight == Weight::Required,
            error,
            duration_ms: started_at.elapsed().as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn running() -> Health {
        let health = Health::new();
        health.set_phase(Phase::Running);
        health
    }

    #[tokio::test]
    async fn a_process_is_ready_only_while_it_runs() {
        let health = Health::new();
        assert!(!health.is_ready().await);
        health.set_phase(Phase::Running);
        assert!(health.is_ready().await);
        health.set_phase(Phase::Draining);
        assert!(!health.is_ready().await);
    }

    #[tokio::test]
    async fn a_required_check_turns_readiness_off_and_on() {
        let health = running();
        let up = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&up);
        health.register("database", Weight::Required, move || {
            let up = seen.load(Ordering::Relaxed);
            async move { if up == 1 { Ok(()) } else { anyhow::bail!("refused") } }
        });
        let report = health.report().await;
        assert!(!report.ready);
        assert_eq!(report.checks[0].error.as_deref(), Some("refused"));
        up.store(1, Ordering::Relaxed);
        godwit_testkit::eventually(10 * REPORT_TTL, || health.is_ready()).await;
    }

    #[tokio::test]
    async fn a_degrading_check_is_shown_but_keeps_the_process_ready() {
        let health = running();
        health.register("live", Weight::Degrades, || async { anyhow::bail!("down") });
        let report = health.report().await;
        assert!(report.ready);
        assert!(!report.checks[0].ok);
    }

    #[tokio::test]
    async fn a_check_that_hangs_fails() {
        let health = running();
        health.register("slow", Weight::Required, || async {
            std::future::pending::<()>().await;
            Ok(())
        });
        assert_eq!(health.report().await.checks[0].error.as_deref(), Some("no answer within 2 s"));
    }

    #[tokio::test]
    async fn probes_in_quick_succession_run_a_check_once() {
        let health = running();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        health.register("database", Weight::Required, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        for _ in 0..50 {
            health.is_ready().await;
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}
