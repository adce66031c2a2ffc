//! What the stream brings: accounts that are deleted.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::events::v1::AccountEvent;
use godwit_contract::events::v1::account_event::Event;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::UserId;
use prost::Message as _;

use crate::app::App;

const BATCH_MAX: usize = 100;

/// The readers that forget what people have scheduled who deleted their account.
pub fn accounts_group() -> ConsumerGroup {
    ConsumerGroup { name: "message.accounts", topics: vec![&topics::ACCOUNTS], max_batch: BATCH_MAX }
}

/// Takes what happens to accounts.
pub struct AccountsHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for AccountsHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        for (index, record) in batch.iter().enumerate() {
            let deleted =
                deleted_account(record).map_err(|reason| BatchError::Poison { index, reason: reason.into() })?;
            if let Some(user_id) = deleted {
                self.0.forget_scheduled(user_id).await.map_err(BatchError::retry)?;
            }
        }
        Ok(())
    }
}

/// Whose account was deleted; `None` for all other events, also of kinds yet to come. Who comes back within the grace begins
/// with nothing scheduled: nothing is said in the name of who is gone.
fn deleted_account(record: &Record) -> Result<Option<UserId>, &'static str> {
    let event = AccountEvent::decode(record.payload.clone()).map_err(|_| "not an encoded AccountEvent")?;
    let user_id = match event.event {
        Some(Event::AccountDeleted(deleted)) => deleted.user_id,
        Some(Event::AccountPurged(purged)) => purged.user_id,
        _ => return Ok(None),
    };
    user_id.parse().map(Some).map_err(|_| "the event names no user")
}
