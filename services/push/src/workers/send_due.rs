use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::DeviceId;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Kind, POLL_INTERVAL, RETRY_PAUSE, STOP_GRACE, bell_of, show, slots};
use crate::app::{App, Telling, Tried};
use crate::domain::{Breaker, Provider};

/// Makes the tries that are due at one push service, at most `concurrency` at once and one of a device: a push service that is
/// slow, or down, holds up nothing but its own.
pub async fn send_due(
    app: Arc<App>,
    provider: Provider,
    concurrency: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tries: JoinSet<Tried> = JoinSet::new();
    let mut busy: HashSet<DeviceId> = HashSet::new();
    let mut unsettled: Vec<Tried> = Vec::new();
    let mut breaker = Breaker::default();
    while !stop.is_cancelled() {
        settle(&app, provider, &mut unsettled, &mut busy, &mut breaker).await;
        show(provider, Kind::Messages, &breaker);
        let free = slots(&breaker, app.clock.now(), concurrency, tries.len());
        let mut pause = POLL_INTERVAL;
        // What could not be settled is not tried again meanwhile, and nothing else is begun.
        if free > 0 && unsettled.is_empty() {
            match app.claim_due(provider, free, &busy.iter().copied().collect::<Vec<_>>()).await {
                Ok(claimed) => {
                    // There may be more behind what was not to be made, and behind a device with much that is due.
                    if claimed.count > 0 && claimed.tellings.len() < free {
                        pause = Duration::ZERO;
                    }
                    for telling in claimed.tellings {
                        begin(&app, telling, &mut tries, &mut busy);
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
                unsettled.push(tried(ended));
                while let Some(ended) = tries.try_join_next() {
                    unsettled.push(tried(ended));
                }
            }
            () = bell_of(&app.bells.deliveries, provider), if free > 0 && unsettled.is_empty() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let ended = async {
        while let Some(ended) = tries.join_next().await {
            unsettled.push(tried(ended));
        }
    };
    let _all_or_late = timeout(STOP_GRACE, ended).await;
    settle(&app, provider, &mut unsettled, &mut busy, &mut breaker).await;
    Ok(())
}

fn begin(app: &Arc<App>, telling: Telling, tries: &mut JoinSet<Tried>, busy: &mut HashSet<DeviceId>) {
    busy.insert(telling.delivery.address.device_id);
    let app = Arc::clone(app);
    tries.spawn(async move {
        let verdict = app.deliver(&telling).await;
        Tried { telling, verdict }
    });
}

/// When it fails, the same is settled again in the next round; until then the devices stay busy.
async fn settle(
    app: &App,
    provider: Provider,
    unsettled: &mut Vec<Tried>,
    busy: &mut HashSet<DeviceId>,
    breaker: &mut Breaker,
) {
    if unsettled.is_empty() {
        return;
    }
    match app.settle(provider, unsettled, breaker).await {
        Ok(()) => {
            for one in unsettled.drain(..) {
                busy.remove(&one.telling.delivery.address.device_id);
            }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "how deliveries ended could not be kept");
        }
    }
}

/// A panic in a try is one of the service: it takes the process down.
fn tried(ended: Result<Tried, JoinError>) -> Tried {
    match ended {
        Ok(tried) => tried,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
