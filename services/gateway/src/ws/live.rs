use std::sync::Arc;

use anyhow::Context as _;
use godwit_live::{Channel, Delivery};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Hub, ended_sessions, interest, presence, probes, upkeep};
use crate::edge::{Edge, Foundation};

/// Deliveries that wait for the hub; when there are more, the subscription drops them and says so.
const DELIVERIES_MAX: usize = 8_192;

/// Starts what keeps sockets supplied: the live channels, presence, and the look at what may have been missed.
///
/// # Errors
/// When the live channels cannot be listened to.
pub async fn start(foundation: &Foundation, edge: &Arc<Edge>) -> anyhow::Result<()> {
    let (subscription, deliveries) =
        foundation.live.subscribe(DELIVERIES_MAX).await.context("the live channels cannot be listened to")?;
    if let Err(error) = subscription.add(&[Channel::Sessions]).await {
        tracing::warn!(%error, "ended sessions are not heard of now");
    }
    let tasks = &foundation.tasks;
    let hub = Arc::clone(&edge.hub);
    tasks.spawn("gateway.live", |stop| hear(hub, deliveries, stop));
    let hub = Arc::clone(&edge.hub);
    tasks.spawn("gateway.interest", |stop| interest::follow(hub, subscription, stop));
    let ended = ended_sessions::EndedSessions::new(edge);
    tasks.spawn("gateway.ended-sessions", |stop| ended.run(stop));
    let upkeep = upkeep::Upkeep::new(edge);
    tasks.spawn("gateway.upkeep", |stop| upkeep.run(stop));
    let answerer = probes::Answerer::new(edge);
    tasks.spawn("gateway.device-probes", |stop| answerer.run(stop));
    let reporter = presence::Reporter::new(edge);
    tasks.spawn_in(godwit_runtime::Stage::Edge, "gateway.presence", |stop| reporter.run(stop));
    Ok(())
}

async fn hear(hub: Arc<Hub>, mut deliveries: mpsc::Receiver<Delivery>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            // First, because the subscription ends with the process's other tasks.
            biased;
            () = stop.cancelled() => return Ok(()),
            delivery = deliveries.recv() => hub.dispatch(delivery.context("the live subscription ended")?),
        }
    }
}
