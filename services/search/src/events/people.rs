//! What the stream brings of accounts: whose names are others now.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::events::v1::AccountEvent;
use godwit_contract::events::v1::account_event::Event;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{UserId, limits};
use prost::Message as _;

use crate::app::App;

/// The readers that keep who can be found by name.
pub fn people_group() -> ConsumerGroup {
    ConsumerGroup { name: "search.people", topics: vec![&topics::ACCOUNTS], max_batch: limits::BATCH_IDS_MAX }
}

/// Takes what happens to accounts.
pub struct PeopleHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for PeopleHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let mut user_ids = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            let found = changed_user(record).map_err(|reason| BatchError::Poison { index, reason: reason.into() })?;
            user_ids.extend(found);
        }
        user_ids.sort_unstable();
        user_ids.dedup();
        if user_ids.is_empty() {
            return Ok(());
        }
        self.0.refresh_people(&user_ids).await.map_err(BatchError::retry)
    }
}

/// Whose names may be others; `None` for all other events, also of kinds yet to come.
fn changed_user(record: &Record) -> Result<Option<UserId>, &'static str> {
    let event = AccountEvent::decode(record.payload.clone()).map_err(|_| "not an encoded AccountEvent")?;
    let user_id = match event.event {
        Some(Event::AccountVerified(verified)) => verified.user.ok_or("the event names no user")?.id,
        Some(Event::ProfileChanged(changed)) => changed.user.ok_or("the event names no user")?.id,
        Some(Event::AccountDeleted(deleted)) => deleted.user_id,
        Some(Event::AccountRestored(restored)) => restored.user.ok_or("the event names no user")?.id,
        Some(Event::AccountPurged(purged)) => purged.user_id,
        _ => return Ok(None),
    };
    user_id.parse().map(Some).map_err(|_| "the event names no user")
}
