use std::collections::{BTreeSet, HashMap, HashSet};

use godwit_kernel::{DeviceId, MessageId};
use time::Duration;

use super::App;
use crate::domain::{Content, Delivery, Notification};
use crate::error::Error;
use crate::store;

/// When deliveries are due again whose messages could not be asked for.
const RELEASE_PAUSE: Duration = Duration::seconds(1);

/// A claimed try, and what it tells.
pub struct Telling {
    /// Which device of which message.
    pub delivery: Delivery,
    /// What the device is told, as JSON.
    pub payload: Vec<u8>,
}

impl App {
    /// Claims deliveries that are due, at most `limit` and none of the `busy` devices, and reads what they tell: the
    /// messages as they are now. What was deleted meanwhile is told to nobody, and its other deliveries are dropped too.
    ///
    /// # Errors
    /// The database's; that another service does not answer: what was claimed is then due again in a second.
    pub async fn claim_due(&self, limit: usize, busy: &[DeviceId]) -> Result<Vec<Telling>, Error> {
        let now = self.clock.now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut conn = self.pool.get().await?;
        let claimed = store::claim_due(&mut conn, limit, busy, now, now + self.claim_ttl).await?;
        drop(conn);
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let payloads = match self.payloads(&claimed).await {
            Ok(payloads) => payloads,
            Err(error) => {
                let mut conn = self.pool.get().await?;
                store::release(&mut conn, &claimed, now + RELEASE_PAUSE).await?;
                return Err(error);
            }
        };
        let (told, gone): (Vec<_>, Vec<_>) = claimed
            .into_iter()
            .map(|delivery| (payloads.get(&delivery.message_id()).cloned(), delivery))
            .partition(|(payload, _)| payload.is_some());
        if !gone.is_empty() {
            metrics::counter!("godwit_push_deliveries_total", "outcome" => "deleted").increment(gone.len() as u64);
            let gone: HashSet<MessageId> = gone.iter().map(|(_, delivery)| delivery.message_id()).collect();
            self.forget_messages(&gone.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(told.into_iter().filter_map(|(payload, delivery)| Some(Telling { delivery, payload: payload? })).collect())
    }

    /// What is told of the messages of these deliveries; those that are deleted are absent.
    async fn payloads(&self, claimed: &[Delivery]) -> Result<HashMap<MessageId, Vec<u8>>, Error> {
        let ids: HashSet<MessageId> = claimed.iter().map(Delivery::message_id).collect();
        let contents = self.peers.contents(&ids.into_iter().collect::<Vec<_>>()).await?;
        let senders: BTreeSet<_> = contents.iter().map(|content| content.sender_id).collect();
        let names = self.peers.display_names(&senders.into_iter().collect::<Vec<_>>()).await?;
        let payload = |content: Content| {
            let name = names.get(&content.sender_id).map_or("", String::as_str);
            (content.id, Notification::of(&content, name).to_json())
        };
        Ok(contents.into_iter().map(payload).collect())
    }
}
