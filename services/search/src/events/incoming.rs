//! What the stream brings: messages to index.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{Seq, limits};
use prost::Message as _;

use crate::app::App;
use crate::domain::IndexedMessage;

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
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let mut messages = Vec::with_capacity(batch.len());
        for (index, record) in batch.iter().enumerate() {
            let found = message_of(record).map_err(|problem| BatchError::Poison { index, reason: problem.into() })?;
            messages.extend(found);
        }
        self.0.index_messages(&messages).await.map_err(BatchError::retry)
    }
}

/// The message that a record makes findable; `None` for updates of other kinds, also of kinds yet to come. Everything
/// that the database could refuse is refused here, so that a failure there is one that passes.
fn message_of(record: &Record) -> Result<Option<IndexedMessage>, &'static str> {
    let update = Update::decode(record.payload.clone()).map_err(|_| "not an encoded godwit.v1.Update")?;
    let Some(Change::MessageCreated(created)) = update.change else { return Ok(None) };
    let message = created.message.ok_or("the update has no message")?;
    if (&message.chat_id, message.seq) != (&update.chat_id, update.seq) {
        return Err("the message has another address than its update");
    }
    let indexed = indexed(update.epoch, message)?;
    if record.key != indexed.chat_id.as_bytes().as_slice() {
        return Err("the record's key is not the message's chat");
    }
    Ok(Some(indexed))
}

fn indexed(epoch: String, message: Message) -> Result<IndexedMessage, &'static str> {
    if message.text.contains('\0') || message.text.chars().count() > limits::MESSAGE_TEXT_CHARS {
        return Err("the message's text is not one");
    }
    if message.client_message_id.contains('\0') || message.client_message_id.len() > limits::CLIENT_MESSAGE_ID_BYTES {
        return Err("the client message id is not one");
    }
    if epoch.contains('\0') || epoch.len() > EPOCH_BYTES {
        return Err("the epoch is not one");
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
