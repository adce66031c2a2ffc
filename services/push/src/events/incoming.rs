use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::{Update, update};
use godwit_events::{BatchError, BatchHandler, Record};
use godwit_kernel::MessageId;
use godwit_rpc::instant;
use prost::Message as _;

use crate::app::App;
use crate::domain::NewMessage;

/// The consumer group of chat updates.
pub const GROUP: &str = "push.chat-updates";

/// Takes chat updates and makes deliveries of new messages.
pub struct ChatUpdates(pub Arc<App>);

#[async_trait]
impl BatchHandler for ChatUpdates {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let mut messages = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            let message = read(record).map_err(|reason| BatchError::Poison { index, reason: reason.to_owned() })?;
            messages.extend(message);
        }
        if messages.is_empty() {
            return Ok(());
        }
        self.0.notify_members(&messages).await.map_err(BatchError::retry)
    }
}

/// The message that an update creates; `None` of any other update.
fn read(record: &Record) -> Result<Option<NewMessage>, &'static str> {
    let update = Update::decode(record.payload.clone()).map_err(|_| "not a godwit.v1.Update")?;
    let Some(update::Change::MessageCreated(created)) = update.change else {
        return Ok(None);
    };
    let message = created.message.ok_or("no message was created")?;
    let id: MessageId = message.id.parse().map_err(|_| "no message id")?;
    Ok(Some(NewMessage {
        id,
        sender_id: message.sender_id.parse().map_err(|_| "no sender id")?,
        text: message.text,
        sent_at: message.sent_at.as_ref().and_then(instant).ok_or("no time of sending")?,
    }))
}
