use std::collections::HashSet;
use std::sync::Arc;

use godwit_kernel::DeviceId;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Kind, POLL_INTERVAL, RETRY_PAUSE, STOP_GRACE, bell_of, show, slots};
use crate::app::{App, CueTelling};
use crate::domain::{Breaker, Provider, Verdict};

type Tried = (CueTelling, Verdict);

/// Tells devices of one push service what there is besides messages. Apart from those, so that a call rings also while many
/// messages wait.
pub async fn send_cues(
    app: Arc<App>,
    provider: Provider,
    concurrency: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tries: JoinSet<Tried> = JoinSet::new();
    let mut busy: HashSet<DeviceId> = HashSet::new();
    let mut breaker = Breaker::default();
    while !stop.is_cancelled() {
        show(provider, Kind::Cues, &breaker);
        let free = slots(&breaker, app.clock.now(), concurrency, tries.len());
        let mut pause = POLL_INTERVAL;
        if free > 0 {
            match app.claim_cues(provider, free, &busy.iter().copied().collect::<Vec<_>>()).await {
                Ok(claimed) => {
                    for telling in claimed {
                        busy.insert(telling.cue.address.device_id);
                        let app = Arc::clone(&app);
                        tries.spawn(async move {
                            let verdict = app.deliver_cue(&telling).await;
                            (telling, verdict)
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cues cannot be claimed now");
                    pause = RETRY_PAUSE;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = tries.join_next() => settle(&app, tried(ended), &mut busy, &mut breaker).await,
            () = bell_of(&app.bells.cues, provider), if free > 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let ended = async {
        while let Some(ended) = tries.join_next().await {
            settle(&app, tried(ended), &mut busy, &mut breaker).await;
        }
    };
    let _all_or_late = timeout(STOP_GRACE, ended).await;
    Ok(())
}

/// What could not be kept is due again when its claim ends: a cue that comes twice does no harm.
async fn settle(app: &App, (telling, verdict): Tried, busy: &mut HashSet<DeviceId>, breaker: &mut Breaker) {
    if let Err(error) = app.settle_cue(&telling, &verdict, breaker).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "how a cue ended could not be kept");
    }
    busy.remove(&telling.cue.address.device_id);
}

/// A panic in a try is one of the service: it takes the process down.
fn tried(ended: Result<Tried, JoinError>) -> Tried {
    match ended {
        Ok(tried) => tried,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
