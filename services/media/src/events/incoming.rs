use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{ChatInfo, Message, Update};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{ChatId, MediaId, MessageId, Seq};
use prost::Message as _;

use crate::app::App;
use crate::domain::{MessageMedia, PICTURE_SEQ};

/// The most updates taken at once.
const BATCH: usize = 500;

/// The readers that learn which messages carry what.
pub fn chat_updates_group() -> ConsumerGroup {
    ConsumerGroup { name: "media.chat-updates", topics: vec![&topics::CHAT_UPDATES], max_batch: BATCH }
}

/// Takes chat updates: who may fetch what follows from what messages carry.
pub struct ChatUpdates(pub Arc<App>);

#[async_trait]
impl BatchHandler for ChatUpdates {
    /// Deleted chats come last: what the batch brings of their messages goes with them.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let mut messages: HashMap<(ChatId, i64), MessageMedia> = HashMap::new();
        let mut gone_chats = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            match read(record).map_err(|reason| BatchError::Poison { index, reason: reason.to_owned() })? {
                Some(Meaning::Carries(found)) => match messages.entry((found.chat_id, found.message_seq)) {
                    Entry::Occupied(mut known) => known.get_mut().merge(found),
                    Entry::Vacant(place) => {
                        place.insert(found);
                    }
                },
                Some(Meaning::ChatGone(chat_id)) => gone_chats.push(chat_id),
                None => {}
            }
        }
        // In one order everywhere, so that two batches that meet in a row wait for each other and not in a circle.
        let mut messages: Vec<MessageMedia> = messages.into_values().collect();
        messages.sort_unstable_by_key(|message| (message.chat_id, message.message_seq));
        if !messages.is_empty() {
            self.0.follow_messages(&messages).await.map_err(BatchError::retry)?;
        }
        if !gone_chats.is_empty() {
            self.0.forget_chats(&gone_chats).await.map_err(BatchError::retry)?;
        }
        Ok(())
    }
}

/// What an update means for who may fetch what.
enum Meaning {
    Carries(MessageMedia),
    ChatGone(ChatId),
}

/// What a record means; `None` for updates that say nothing of media, also of kinds yet to come. Most messages carry
/// nothing: they are passed over, unless they may have carried something before.
fn read(record: &Record) -> Result<Option<Meaning>, &'static str> {
    let update = Update::decode(record.payload.clone()).map_err(|_| "not an encoded godwit.v1.Update")?;
    let chat_id: ChatId = update.chat_id.parse().map_err(|_| "the update names no chat")?;
    let version = Seq::new(update.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the update has no seq")?.as_i64();
    let found = match update.change {
        Some(Change::MessageCreated(created)) => {
            let message = created.message.ok_or("no message was created")?;
            if message.attachments.is_empty() && !message.is_deleted {
                return Ok(None);
            }
            of_message(chat_id, version, &message)?
        }
        Some(Change::MessageEdited(edited)) => {
            of_message(chat_id, version, &edited.message.ok_or("no message was edited")?)?
        }
        Some(Change::MessageDeleted(deleted)) => {
            let id: MessageId = deleted.message_id.parse().map_err(|_| "no message id")?;
            MessageMedia::new(chat_id, id.seq.as_i64(), version, [])
        }
        Some(Change::ChatCreated(created)) => match created.info {
            Some(info) => of_picture(chat_id, version, &info)?,
            None => return Ok(None),
        },
        Some(Change::ChatInfoChanged(changed)) => {
            of_picture(chat_id, version, &changed.info.ok_or("no info was changed")?)?
        }
        Some(Change::ChatDeleted(_)) => return Ok(Some(Meaning::ChatGone(chat_id))),
        _ => return Ok(None),
    };
    Ok(Some(Meaning::Carries(found)))
}

fn of_message(chat_id: ChatId, version: i64, message: &Message) -> Result<MessageMedia, &'static str> {
    let seq = Seq::new(message.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the message has no seq")?;
    let carried = message.attachments.iter().filter(|_| !message.is_deleted);
    let media: Result<Vec<MediaId>, _> = carried.map(|attachment| attachment.media_id.parse()).collect();
    Ok(MessageMedia::new(chat_id, seq.as_i64(), version, media.map_err(|_| "an attachment has no media id")?))
}

fn of_picture(chat_id: ChatId, version: i64, info: &ChatInfo) -> Result<MessageMedia, &'static str> {
    let media: Option<MediaId> = match info.avatar_media_id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| "the chat's picture has no media id")?),
    };
    Ok(MessageMedia::new(chat_id, PICTURE_SEQ, version, media))
}
