//! What the stream brings: accounts that are gone.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::events::v1::AccountEvent;
use godwit_contract::events::v1::account_event::Event;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::UserId;
use prost::Message as _;

use crate::app::App;

/// Small: each record may be a person in thousands of chats.
const BATCH_MAX: usize = 10;

/// The readers that take people who are gone out of their chats.
pub fn accounts_group() -> ConsumerGroup {
    ConsumerGroup { name: "chat.accounts", topics: vec![&topics::ACCOUNTS], max_batch: BATCH_MAX }
}

/// Takes what happens to accounts.
pub struct AccountsHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for AccountsHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        for (index, record) in batch.iter().enumerate() {
            let gone = gone_account(record).map_err(|reason| BatchError::Poison { index, reason: reason.into() })?;
            if let Some(user_id) = gone {
                self.0.forget_account(user_id).await.map_err(BatchError::retry)?;
            }
        }
        Ok(())
    }
}

/// Whose account is gone for ever; `None` for all other events, also of kinds yet to come. An account that is only hidden
/// may come back, so it stays where it is.
fn gone_account(record: &Record) -> Result<Option<UserId>, &'static str> {
    let event = AccountEvent::decode(record.payload.clone()).map_err(|_| "not an encoded AccountEvent")?;
    match event.event {
        Some(Event::AccountPurged(purged)) => purged.user_id.parse().map(Some).map_err(|_| "the event names no user"),
        _ => Ok(None),
    }
}
