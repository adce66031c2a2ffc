use bytes::Bytes;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use prost::Message as _;
use tokio::sync::mpsc;

use crate::app::LinkedMessage;
use crate::domain::first_link;
use crate::wire::decode_entities;

/// Hands the links of new and edited messages to the workers that read pages. A preview may be lost and never holds up
/// anything: what finds the queue full is left away, and so is what was in it when the process ends.
#[derive(Clone)]
pub(super) struct LinkQueue(pub Option<mpsc::Sender<LinkedMessage>>);

impl LinkQueue {
    /// Looks for a link in a stored update.
    pub(super) fn offer(&self, payload: &Bytes) {
        let Some(queue) = &self.0 else { return };
        // Decoding is for the few that may have one.
        if !payload.windows(3).any(|bytes| bytes == b"://") {
            return;
        }
        let linked = pb::Update::decode(payload.clone()).ok().and_then(linked_message);
        if linked.is_some_and(|linked| queue.try_send(linked).is_err()) {
            metrics::counter!("godwit_message_link_previews_total", "outcome" => "queue_full").increment(1);
        }
    }
}

fn linked_message(update: pb::Update) -> Option<LinkedMessage> {
    let message = match update.change? {
        Change::MessageCreated(created) => created.message?,
        Change::MessageEdited(edited) => edited.message?,
        _ => return None,
    };
    if message.is_deleted {
        return None;
    }
    let entities = decode_entities(&message.entities).unwrap_or_default();
    let link = first_link(&message.text, &entities)?;
    Some(LinkedMessage { message_id: message.id.parse().ok()?, edit_count: message.edit_count, link })
}
