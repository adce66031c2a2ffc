use std::collections::HashSet;
use std::sync::Arc;

use godwit_live::{Channel, Subscription};
use tokio_util::sync::CancellationToken;

use super::Hub;

/// Follows on the live channels what the hub wants followed. One task does it, so that following and following no
/// longer keep their order; changes that come while it works are done together.
pub async fn follow(hub: Arc<Hub>, subscription: Box<dyn Subscription>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut current = HashSet::from([Channel::Sessions]);
    loop {
        let changes = tokio::select! {
            changes = hub.next_channel_changes(&mut current) => changes,
            () = stop.cancelled() => return Ok(()),
        };
        // The subscription remembers what cannot be done now and does it when the store is back, with an
        // `Interrupted` then: clients are not kept waiting for it.
        if !changes.removed.is_empty()
            && let Err(error) = subscription.remove(&changes.removed).await
        {
            tracing::debug!(%error, "channels cannot be left now");
        }
        if !changes.added.is_empty()
            && let Err(error) = subscription.add(&changes.added).await
        {
            tracing::warn!(%error, channels = changes.added.len(), "channels cannot be followed now");
        }
        hub.changes_done(&changes);
    }
}
