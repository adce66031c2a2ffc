//! What the leading replica does by itself: timers and the recording of calls that are over. The state they work
//! from is the replicated machine, so that a new leader goes on where the old one stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How exact the ring timer is.
const TIMER_TICK: Duration = Duration::from_millis(250);
/// How often devices in calls are asked after.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How often what could not be recorded is tried again.
const RECORD_RETRY: Duration = Duration::from_secs(1);

/// Makes calls missed that nobody answers and ends those that nobody hangs up, while this replica leads. When it begins
/// to lead it tells the parties of every call how it stands.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn time_calls(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TIMER_TICK);
    let mut has_announced = false;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let is_leader = app.node.is_leader();
        metrics::gauge!("call_raft_is_leader").set(if is_leader { 1.0 } else { 0.0 });
        let running = app.node.peek(|machine| machine.calls().filter(|call| !call.state.is_over()).count());
        metrics::gauge!("call_running_count").set(f64::from(u32::try_from(running).unwrap_or(u32::MAX)));
        if !is_leader {
            has_announced = false;
            continue;
        }
        if !has_announced {
            has_announced = app.announce_all().await.is_ok();
        }
        if let Err(error) = app.expire_calls().await {
            tracing::warn!(%error, "calls could not be timed out");
        }
    }
    Ok(())
}

/// Looks which devices in calls have lost their connection, while this replica leads.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn probe_devices(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut rounds = tokio::time::interval(PROBE_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        if !app.node.is_leader() {
            app.silences.clear();
            continue;
        }
        if let Err(error) = app.probe_devices().await {
            tracing::debug!(%error, "devices in calls could not be asked after");
        }
    }
    Ok(())
}

/// Ends when `stop` is cancelled, after the replica has let go of its file.
///
/// # Errors
/// When the replica failed, such as by a full disk: only a new start can mend that, so it takes the process down.
pub async fn watch_replica(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    match stop.run_until_cancelled(app.node.failed()).await {
        Some(failure) => Err(failure.into()),
        None => {
            app.node.shutdown().await;
            Ok(())
        }
    }
}

/// Moves calls that are over from the machine to the history and the stream, while this replica leads.
///
/// # Errors
/// Never; what fails is tried again.
pub async fn record_finished(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.finished.notified() => {}
            () = tokio::time::sleep(RECORD_RETRY) => {}
        }
        if !app.node.is_leader() {
            continue;
        }
        if let Err(error) = app.record_finished().await {
            tracing::warn!(%error, "calls that are over could not be recorded");
        }
    }
}
