//! What the stream brings: messages to index, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{ChatInfo, ChatKind, Message, Update};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{ChatId, MessageId, Seq};
use prost::Message as _;

use crate::app::App;
use crate::domain::{ChannelEntry, MessageChange, MessageState, folded};
use crate::wire::indexed;

/// Longer names of epochs are none of ours.
const EPOCH_BYTES: usize = 64;

/// Records whose words are taken apart before others of this process have their turn.
const RECORDS_AT_ONCE: usize = 16;

/// The readers that keep the index. The name is of this index: another begins with the oldest records again.
pub fn index_group(batch_size: u16) -> ConsumerGroup {
    ConsumerGroup { name: "search.entries", topics: vec![&topics::CHAT_UPDATES], max_batch: usize::from(batch_size) }
}

/// Takes chat updates into the index.
pub struct IndexHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for IndexHandler {
    /// Deleted chats come last: what the batch brings of their messages is removed with them.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let (mut changes, mut deleted_chats) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut channels: BTreeMap<ChatId, ChannelEntry> = BTreeMap::new();
        for (index, record) in batch.iter().enumerate() {
            if index % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let found = meaning_of(record).map_err(|problem| BatchError::Poison { index, reason: problem.into() })?;
            match found {
                Some(Meaning::Change(change)) => changes.push(change),
                Some(Meaning::ChatDeleted(chat_id)) => deleted_chats.push(chat_id),
                Some(Meaning::Channel(entry)) => {
                    let kept = channels.entry(entry.chat_id).or_insert_with(|| entry.clone());
                    if entry.version > kept.version {
                        *kept = entry;
                    }
                }
                None => {}
            }
        }
        self.0.apply_changes(changes).await.map_err(BatchError::retry)?;
        let channels: Vec<ChannelEntry> = channels.into_values().collect();
        self.0.keep_channels(&channels).await.map_err(BatchError::retry)?;
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
    Channel(ChannelEntry),
}

/// What a record means; `None` for updates of other kinds, also of kinds yet to come. Everything that the database
/// could refuse is refused here, so that a failure there is one that passes.
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
        Some(Change::ChatCreated(created)) if created.kind() == ChatKind::Channel => {
            return channel(record, &update, created.info);
        }
        Some(Change::ChatInfoChanged(changed)) => return channel(record, &update, changed.info),
        _ => return Ok(None),
    };
    let change = MessageChange { version: version_of(&update)?, state };
    let (chat_id, _) = change.address();
    if update.chat_id.parse() != Ok(chat_id) {
        return Err("the message is of another chat than its update");
    }
    keyed(record, chat_id, Meaning::Change(change))
}

/// What a channel is called; a chat of another kind has no handle, and nothing is kept of it.
fn channel(record: &Record, update: &Update, info: Option<ChatInfo>) -> Result<Option<Meaning>, &'static str> {
    let chat_id = update.chat_id.parse().map_err(|_| "the update names no chat")?;
    let version = version_of(update)?;
    let info = info.unwrap_or_default();
    let names = folded(&format!("{} {}", info.handle, info.title));
    if names.contains('\0') {
        return Err("the chat's title is not one");
    }
    let is_public = !info.handle.is_empty();
    let names = if is_public { names } else { String::new() };
    keyed(record, chat_id, Meaning::Channel(ChannelEntry { chat_id, version, handle: info.handle, names }))
}

fn version_of(update: &Update) -> Result<Seq, &'static str> {
    Seq::new(update.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the update has no seq")
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
    Ok(MessageState::There(indexed(checked_epoch(update)?, &message)?))
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
