use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{EntityKind, Message, Update};
use godwit_events::{BatchError, BatchHandler, Record};
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_rpc::instant;
use prost::Message as _;

use crate::app::App;
use crate::domain::{NewMessage, ReadUpTo};

/// The consumer group of chat updates.
pub const GROUP: &str = "push.chat-updates";

/// Takes chat updates: notes new messages, and drops what is deleted or read.
pub struct ChatUpdates(pub Arc<App>);

/// What an update means for devices.
enum Meaning {
    Tell(NewMessage),
    Read(ReadUpTo),
    Forget(MessageId),
    ForgetChat(ChatId),
}

#[async_trait]
impl BatchHandler for ChatUpdates {
    /// Reading and deletions come last: they may be of messages of the same batch. One that overtakes its message is found by
    /// the look at the message, and at how far its readers are, before it is told.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let (mut messages, mut reads, mut gone, mut gone_chats) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, record) in batch.iter().enumerate() {
            let meaning = read(record).map_err(|reason| BatchError::Poison { index, reason: reason.to_owned() })?;
            match meaning {
                Some(Meaning::Tell(message)) => messages.push(message),
                Some(Meaning::Read(read)) => reads.push(read),
                Some(Meaning::Forget(id)) => gone.push(id),
                Some(Meaning::ForgetChat(id)) => gone_chats.push(id),
                None => {}
            }
        }
        if !messages.is_empty() {
            self.0.note_messages(&messages).await.map_err(BatchError::retry)?;
        }
        if !reads.is_empty() {
            self.0.note_reads(&reads).await.map_err(BatchError::retry)?;
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

/// What an update means; `None` when it means nothing. A message that was deleted since is not told.
fn read(record: &Record) -> Result<Option<Meaning>, &'static str> {
    let update = Update::decode(record.payload.clone()).map_err(|_| "not a godwit.v1.Update")?;
    match update.change {
        Some(Change::MessageCreated(created)) => {
            let message = created.message.ok_or("no message was created")?;
            if message.is_deleted {
                return Ok(None);
            }
            Ok(Some(Meaning::Tell(NewMessage {
                id: message.id.parse().map_err(|_| "no message id")?,
                sender_id: message.sender_id.parse().map_err(|_| "no sender id")?,
                sent_at: message.sent_at.as_ref().and_then(instant).ok_or("no time of sending")?,
                mentioned: mentioned(&message),
            })))
        }
        // Of what was received, and of readers whom a channel's log does not name, nothing follows.
        Some(Change::ReceiptAdvanced(advanced)) if advanced.read_seq > 0 && !update.actor_id.is_empty() => {
            reading(&update.actor_id, &update.chat_id, advanced.read_seq)
        }
        // In the log of the reader's Saved Messages, whose chat id is their user id.
        Some(Change::OwnReadAdvanced(advanced)) => reading(&update.chat_id, &advanced.chat_id, advanced.read_seq),
        Some(Change::MessageDeleted(deleted)) => {
            Ok(Some(Meaning::Forget(deleted.message_id.parse().map_err(|_| "no message id")?)))
        }
        Some(Change::ChatDeleted(_)) => {
            Ok(Some(Meaning::ForgetChat(update.chat_id.parse().map_err(|_| "no chat id")?)))
        }
        _ => Ok(None),
    }
}

fn reading(user_id: &str, chat_id: &str, read_seq: u64) -> Result<Option<Meaning>, &'static str> {
    Ok(Some(Meaning::Read(ReadUpTo {
        user_id: user_id.parse().map_err(|_| "no user id")?,
        chat_id: chat_id.parse().map_err(|_| "no chat id")?,
        seq: Seq::new(read_seq).ok_or("no seq")?,
    })))
}

fn mentioned(message: &Message) -> Vec<UserId> {
    let mentions = message.entities.iter().filter(|entity| entity.kind() == EntityKind::Mention);
    mentions.filter_map(|entity| entity.user_id.parse().ok()).collect()
}
