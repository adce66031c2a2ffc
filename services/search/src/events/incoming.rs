//! What the stream brings: messages to index, and what becomes of them.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{ChatId, MessageId, Seq, limits};
use prost::Message as _;

use crate::app::App;
use crate::domain::{IndexedMessage, MessageChange, MessageState};

/// Longer names of epochs are none of ours.
const EPOCH_BYTES: usize = 64;

/// The readers that build the index.
pub fn index_group(batch_size: u16) -> ConsumerGroup {
    ConsumerGroup {
        name: "search.chat-updates",
        topics: vec![&topics::CHAT_UPDATES],
        max_batch: usize::from(batch_size),
    }
}

/// Takes chat updates into the index.
pub struct IndexHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for IndexHandler {
    /// Deleted chats come last: what the batch brings of their messages is removed with them.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let (mut changes, mut deleted_chats) = (Vec::with_capacity(batch.len()), Vec::new());
        for (index, record) in batch.iter().enumerate() {
            let found = meaning_of(record).map_err(|problem| BatchError::Poison { index, reason: problem.into() })?;
            match found {
                Some(Meaning::Change(change)) => changes.push(change),
                Some(Meaning::ChatDeleted(chat_id)) => deleted_chats.push(chat_id),
                None => {}
            }
        }
        self.0.apply_changes(changes).await.map_err(BatchError::retry)?;
        for chat_id in deleted_chats {
            self.0.remove_chat(chat_id).await.map_err(BatchError::retry)?;
        }
        Ok(())
    }
}

/// What an update means for the index.
enum Meaning {
    Change(MessageChange),
    ChatDeleted(ChatId),
}

/// What a record means; `None` for updates of other kinds, also of kinds yet to come. Everything that the database could
/// refuse is refused here, so that a failure there is one that passes.
fn meaning_of(record: &Record) -> Result<Option<Meaning>, &'static str> {
    let mut update = Update::decode(record.payload.clone()).map_err(|_| "not an encoded godwit.v1.Update")?;
    let state = match update.change.take() {
        Some(Change::MessageCreated(created)) => {
            let message = created.message.ok_or("the update has no message")?;
            if message.seq != update.seq {
                return Err("the message has another address than its update");
            }
            state_of(&update, message)?
        }
        Some(Change::MessageEdited(edited)) => state_of(&update, edited.message.ok_or("the update has no message")?)?,
        Some(Change::MessageDeleted(deleted)) => {
            let id: MessageId = deleted.message_id.parse().map_err(|_| "the update names no message")?;
            gone(&update, id.chat_id, id.seq)?
        }
        Some(Change::ChatDeleted(_)) => {
            let chat_id: ChatId = update.chat_id.parse().map_err(|_| "the update names no chat")?;
            return keyed(record, chat_id, Meaning::ChatDeleted(chat_id));
        }
        _ => return Ok(None),
    };
    let version = Seq::new(update.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the update has no seq")?;
    let change = MessageChange { version, state };
    let (chat_id, _) = change.address();
    if update.chat_id.parse() != Ok(chat_id) {
        return Err("the message is of another chat than its update");
    }
    keyed(record, chat_id, Meaning::Change(change))
}

fn keyed(record: &Record, chat_id: ChatId, meaning: Meaning) -> Result<Option<Meaning>, &'static str> {
    if record.key != chat_id.as_bytes().as_slice() {
        return Err("the record's key is not the message's chat");
    }
    Ok(Some(meaning))
}

fn state_of(update: &Update, message: Message) -> Result<MessageState, &'static str> {
    if message.is_deleted {
        let chat_id = message.chat_id.parse().map_err(|_| "the message names no chat")?;
        let seq = Seq::new(message.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the message has no seq")?;
        return gone(update, chat_id, seq);
    }
    Ok(MessageState::There(indexed(checked_epoch(update)?, message)?))
}

fn gone(update: &Update, chat_id: ChatId, seq: Seq) -> Result<MessageState, &'static str> {
    let told_at = update.occurred_at.as_ref().and_then(godwit_rpc::instant).ok_or("the update has no instant")?;
    Ok(MessageState::Deleted { chat_id, seq, epoch: checked_epoch(update)?, told_at })
}

fn checked_epoch(update: &Update) -> Result<String, &'static str> {
    if update.epoch.contains('\0') || update.epoch.len() > EPOCH_BYTES {
        return Err("the epoch is not one");
    }
    Ok(update.epoch.clone())
}

fn indexed(epoch: String, message: Message) -> Result<IndexedMessage, &'static str> {
    if message.text.contains('\0') || message.text.chars().count() > limits::MESSAGE_TEXT_CHARS {
        return Err("the message's text is not one");
    }
    if message.client_message_id.contains('\0') || message.client_message_id.len() > limits::CLIENT_MESSAGE_ID_BYTES {
        return Err("the client message id is not one");
    }
    let sent_at = message.sent_at.as_ref().and_then(godwit_rpc::instant);
    Ok(IndexedMessage {
        chat_id: message.chat_id.parse().map_err(|_| "the message names no chat")?,
        seq: Seq::new(message.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the message has no seq")?,
        epoch,
        sender_id: message.sender_id.parse().map_err(|_| "the message names no sender")?,
        client_message_id: message.client_message_id,
        text: message.text,
        sent_at: sent_at.ok_or("the message has no instant")?,
    })
}
