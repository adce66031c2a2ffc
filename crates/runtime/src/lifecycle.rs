use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::options::LifecycleOptions;
use crate::{Stage, Tasks};

/// The signals that ask the process to end.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from now on. Must be called inside the Tokio runtime.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and tells its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The stages in the order in which they stop, with the part of the grace period that has passed when each is cut
/// off: an edge that does not let go of its clients must leave time for the appenders behind it.
const STAGES: [(Stage, f64); 3] = [(Stage::Edge, 0.6), (Stage::Serve, 0.8), (Stage::Work, 1.0)];

/// Stops the tasks stage by stage. What is not done in time is cut off and named in the log.
pub(crate) async fn stop_tasks(tasks: &Tasks, options: &LifecycleOptions) {
    let started_at = Instant::now();
    for (stage, share) in STAGES {
        let late = tasks.stop(stage, started_at + options.grace().mul_f64(share)).await;
        if !late.is_empty() {
            tracing::warn!(?stage, tasks = ?late, "tasks were cut off: they did not stop within their grace time");
        }
    }
    let drained_secs = started_at.elapsed().as_secs_f64();
    tracing::info!(drained_secs, "every task has stopped");
}

/// How long the runtime waits for blocking calls that nobody can stop any more.
pub(crate) const BLOCKING_GRACE: Duration = Duration::from_millis(500);
