use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::Update;
use godwit_contract::v1::update::Change;
use godwit_events::{BatchError, BatchHandler, Record};
use godwit_kernel::{ChatId, MessageId};
use godwit_rpc::instant;
use prost::Message as _;

use crate::app::App;
use crate::domain::NewMessage;

/// The consumer group of chat updates.
pub const GROUP: &str = "push.chat-updates";

/// Takes chat updates: makes deliveries of new messages, and drops those of deleted ones.
pub struct ChatUpdates(pub Arc<App>);

/// What an update means for devices.
enum Meaning {
    Tell(NewMessage),
    Forget(MessageId),
    ForgetChat(ChatId),
}

#[async_trait]
impl BatchHandler for ChatUpdates {
    /// Deletions come last: they may be of messages of the same batch. One that overtakes its message is found by the
    /// look at the message before it is told.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let (mut messages, mut gone, mut gone_chats) = (Vec::new(), Vec::new(), Vec::new());
        for (index, record) in batch.iter().enumerate() {
            let meaning = read(record).map_err(|reason| BatchError::Poison { index, reason: reason.to_owned() })?;
            match meaning {
                Some(Meaning::Tell(message)) => messages.push(message),
                Some(Meaning::Forget(id)) => gone.push(id),
                Some(Meaning::ForgetChat(id)) => gone_chats.push(id),
                None => {}
            }
        }
        if !messages.is_empty() {
            self.0.notify_members(&messages).await.map_err(BatchError::retry)?;
        }
        if !gone.is_empty() {
            self.0.forget_messages(&gone).await.map_err(BatchError::retry)?;
        }
        if !gone_chats.is_empty() {
            self.0.forget_chats(&gone_chats).await.map_err(BatchError::retry)?;
        }
        Ok(())
    }
}

/// What an update means; `None` when it means nothing. A silent message alerts nobody, and one that was deleted since is
/// not told.
fn read(record: &Record) -> Result<Option<Meaning>, &'static str> {
    let update = Update::decode(record.payload.clone()).map_err(|_| "not a godwit.v1.Update")?;
    match update.change {
        Some(Change::MessageCreated(created)) => {
            let message = created.message.ok_or("no message was created")?;
            if message.is_silent || message.is_deleted {
                return Ok(None);
            }
            Ok(Some(Meaning::Tell(NewMessage {
                id: message.id.parse().map_err(|_| "no message id")?,
                sender_id: message.sender_id.parse().map_err(|_| "no sender id")?,
                sent_at: message.sent_at.as_ref().and_then(instant).ok_or("no time of sending")?,
            })))
        }
        Some(Change::MessageDeleted(deleted)) => {
            Ok(Some(Meaning::Forget(deleted.message_id.parse().map_err(|_| "no message id")?)))
        }
        Some(Change::ChatDeleted(_)) => {
            Ok(Some(Meaning::ForgetChat(update.chat_id.parse().map_err(|_| "no chat id")?)))
        }
        _ => Ok(None),
    }
}
