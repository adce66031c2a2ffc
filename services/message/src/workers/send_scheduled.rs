use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often each replica looks for what is due: with the half second of a claim, what a dead replica held is sent within
/// a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How often changes are looked for that were not told, and what ended long ago.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// Sends scheduled messages when they are due, and tells their senders' devices.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn send_scheduled(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tell_at, mut forget_at) = (Instant::now(), Instant::now());
    loop {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            return Ok(());
        }
        while note("sent", app.send_due().await) && !stop.is_cancelled() {}
        let now = Instant::now();
        if tell_at <= now {
            while note("told", app.tell_untold_scheduled().await) && !stop.is_cancelled() {}
            tell_at = now + TELL_INTERVAL;
        }
        if forget_at <= now {
            note("forgotten", app.forget_ended_scheduled().await.map(|()| false));
            forget_at = now + FORGET_INTERVAL;
        }
    }
}

/// Whether there is more to do; after a failure not at once.
fn note(what: &'static str, result: Result<bool, crate::Error>) -> bool {
    result.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "scheduled messages could not be {what}");
        false
    })
}
