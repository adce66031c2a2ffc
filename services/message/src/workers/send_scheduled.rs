use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often each replica looks for what is due: with the half second of a claim, what a dead replica held is sent within
/// a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How often changes are looked for that were not told, and what ended long ago.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Changes that are being told; the others are found by the look for what was not told.
const TELLING_MAX: usize = 64;

/// Sends scheduled messages when they are due, and tells their senders' devices, which sending does not wait for.
///
/// # Errors
/// Never: a database that is down is waited for.
pub async fn send_scheduled(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tell_at, mut forget_at) = (Instant::now(), Instant::now());
    let mut telling: JoinSet<()> = JoinSet::new();
    let mut has_more = false;
    loop {
        if !has_more && stop.run_until_cancelled(ticks.tick()).await.is_none() || stop.is_cancelled() {
            return Ok(());
        }
        while telling.try_join_next().is_some() {}
        has_more = send(&app, &mut telling).await;
        let now = Instant::now();
        if tell_at <= now {
            note("told", app.tell_untold_scheduled().await.map(drop));
            tell_at = now + TELL_INTERVAL;
        }
        if forget_at <= now {
            note("forgotten", app.forget_ended_scheduled().await);
            forget_at = now + FORGET_INTERVAL;
        }
    }
}

/// Whether there is more that is due; after a failure not at once.
async fn send(app: &Arc<App>, telling: &mut JoinSet<()>) -> bool {
    let sent = match app.send_due().await {
        Ok(sent) => sent,
        Err(error) => {
            note("sent", Err(error));
            return false;
        }
    };
    for change in sent.untold.into_iter().take(TELLING_MAX.saturating_sub(telling.len())) {
        let app = Arc::clone(app);
        telling.spawn(async move { app.tell_scheduled_soon(change).await });
    }
    sent.has_more
}

fn note(what: &'static str, result: Result<(), crate::Error>) {
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, "scheduled messages could not be {what}");
    }
}
