use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use metrics::{counter, gauge};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long aborted tasks may take to come to their next await, where they end.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// When a task is told to stop while the process drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// First: what takes requests from outside, such as the gateway's listener.
    Edge,
    /// Then: what takes requests from other services of Godwit; the process's gRPC listener.
    Serve,
    /// Last, when nothing can ask for anything any more: consumers, appenders, reconcilers.
    Work,
}

/// The end of a task that must not end: it takes the process down.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the task {task} failed: {cause}")]
pub struct TaskFailure {
    /// The task's name.
    pub task: &'static str,
    /// The error with its sources, or the panic's message.
    pub cause: String,
}

/// Starts tasks that are tracked, told when to stop, and supervised: a task that returns an error or panics takes
/// the process down with a non-zero exit. Clones share the tasks.
#[derive(Clone, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

struct Shared {
    edge: Group,
    serve: Group,
    work: Group,
    next_id: AtomicU64,
    failure: watch::Sender<Option<TaskFailure>>,
}

impl Default for Shared {
    fn default() -> Self {
        let (failure, _) = watch::channel(None);
        Self {
            edge: Group::default(),
            serve: Group::default(),
            work: Group::default(),
            next_id: AtomicU64::new(0),
            failure,
        }
    }
}

/// The tasks that stop together.
#[derive(Default)]
struct Group {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Mutex<BTreeMap<u64, Running>>,
}

impl Group {
    /// Aborts what still runs; the names.
    fn abort(&self) -> Vec<&'static str> {
        let running = self.running.lock();
        let aborted = running.values().map(|task| {
            task.abort.abort();
            task.name
        });
        aborted.collect()
    }
}

struct Running {
    name: &'static str,
    abort: AbortHandle,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task of [`Stage::Work`]. It gets a token that is cancelled when it should end; it may also end by
    /// itself, with `Ok`. Must be called inside the Tokio runtime.
    pub fn spawn<F, Fut>(&self, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.spawn_in(Stage::Work, name, task);
    }

    /// Starts a task that is told to stop in this stage.
    pub fn spawn_in<F, Fut>(&self, stage: Stage, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let group = self.group(stage);
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let future = task(group.stop.child_token());
        let guard = RunningGuard { tasks: self.clone(), stage, id, name };
        let supervised = async move {
            let guard = guard;
            let cause = match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(panic) => format!("panicked: {}", panic_message(panic.as_ref())),
            };
            guard.tasks.report(TaskFailure { task: guard.name, cause });
        };
        gauge!("godwit_tasks_running", "task" => name).increment(1);
        // The map is locked while the task starts, so that a task that ends at once finds itself in it.
        let mut running = group.running.lock();
        let handle = group.tracker.spawn(supervised);
        running.insert(id, Running { name, abort: handle.abort_handle() });
    }

    /// Waits for the first task that fails.
    pub async fn failed(&self) -> TaskFailure {
        let mut failure = self.shared.failure.subscribe();
        loop {
            if let Some(failure) = failure.borrow_and_update().clone() {
                return failure;
            }
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells the tasks of `stage` to stop, and waits for them until `deadline`. Those still running then are aborted;
    /// their names are returned once what they held is dropped, or after a second: one that never comes to an await
    /// cannot be aborted.
    pub async fn stop(&self, stage: Stage, deadline: Instant) -> Vec<&'static str> {
        let group = self.group(stage);
        group.stop.cancel();
        group.tracker.close();
        if tokio::time::timeout_at(deadline, group.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late = group.abort();
        let _all_or_blocked = tokio::time::timeout(ABORT_GRACE, group.tracker.wait()).await;
        late
    }

    fn group(&self, stage: Stage) -> &Group {
        match stage {
            Stage::Edge => &self.shared.edge,
            Stage::Serve => &self.shared.serve,
            Stage::Work => &self.shared.work,
        }
    }

    fn report(&self, failure: TaskFailure) {
        tracing::error!(task = failure.task, cause = failure.cause, "a task failed");
        counter!("godwit_task_failures_total", "task" => failure.task).increment(1);
        self.shared.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(failure);
            }
            is_first
        });
    }
}

/// Takes the task off the list however it ends, also when it is aborted.
struct RunningGuard {
    tasks: Tasks,
    stage: Stage,
    id: u64,
    name: &'static str,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.tasks.group(self.stage).running.lock().remove(&self.id);
        gauge!("godwit_tasks_running", "task" => self.name).decrement(1);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn in_secs(secs: u64) -> Instant {
        Instant::now() + Duration::from_secs(secs)
    }

    #[tokio::test]
    async fn a_task_ends_when_its_stage_stops() {
        let tasks = Tasks::new();
        let (ended, mut has_ended) = watch::channel("no");
        tasks.spawn("worker", |stop| async move {
            stop.cancelled().await;
            ended.send("yes")?;
            Ok(())
        });
        assert_eq!(tasks.stop(Stage::Edge, in_secs(10)).await, Vec::<&str>::new());
        assert_eq!(*has_ended.borrow(), "no", "another stage does not stop it");
        assert_eq!(tasks.stop(Stage::Work, in_secs(10)).await, Vec::<&str>::new());
        assert_eq!(*has_ended.borrow_and_update(), "yes");
    }

    #[tokio::test]
    async fn a_task_that_will_not_stop_is_named_and_aborted() {
        let tasks = Tasks::new();
        let (alive, mut watched) = watch::channel(());
        tasks.spawn("deaf", |_stop| async move {
            std::future::pending::<()>().await;
            drop(alive);
            Ok(())
        });
        assert_eq!(tasks.stop(Stage::Work, in_secs(0)).await, ["deaf"]);
        assert!(watched.changed().await.is_err(), "the task's values are dropped");
    }

    #[tokio::test]
    async fn what_an_aborted_task_held_is_dropped_when_its_stage_has_stopped() {
        let tasks = Tasks::new();
        let held = Arc::new(());
        let in_task = Arc::clone(&held);
        tasks.spawn("deaf", |_stop| async move {
            std::future::pending::<()>().await;
            drop(in_task);
            Ok(())
        });
        assert_eq!(tasks.stop(Stage::Work, in_secs(0)).await, ["deaf"]);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_never_awaits_is_not_waited_for_for_ever() {
        let tasks = Tasks::new();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (begin, has_begun) = oneshot::channel();
        tasks.spawn("blocked", |_stop| async move {
            begin.send(()).ok();
            held.recv().ok();
            Ok(())
        });
        has_begun.await.unwrap();
        assert_eq!(tasks.stop(Stage::Work, in_secs(0)).await, ["blocked"]);
        drop(let_go);
    }

    #[tokio::test]
    async fn an_error_is_reported_with_its_sources() {
        let tasks = Tasks::new();
        tasks.spawn("reader", |_| async { Err(anyhow::anyhow!("disk full").context("cannot write")) });
        let failure = tasks.failed().await;
        assert_eq!((failure.task, failure.cause.as_str()), ("reader", "cannot write: disk full"));
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_the_first_failure_stays() {
        let tasks = Tasks::new();
        tasks.spawn("first", |_| async { panic!("out of range: {}", 7) });
        assert_eq!(tasks.failed().await.cause, "panicked: out of range: 7");
        tasks.spawn("second", |_| async { anyhow::bail!("later") });
        tasks.stop(Stage::Work, in_secs(10)).await;
        assert_eq!(tasks.failed().await.task, "first");
    }

    #[tokio::test]
    async fn a_task_may_end_by_itself() {
        let tasks = Tasks::new();
        tasks.spawn("short", |_| async { Ok(()) });
        assert_eq!(tasks.stop(Stage::Work, in_secs(10)).await, Vec::<&str>::new());
        assert!(tasks.shared.failure.borrow().is_none());
    }
}
