//! Stored updates for members who do not see all of a chat's history.

use bytes::Bytes;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{MessageId, Seq};
use prost::Message as _;

/// Whether an update says something of a message that is older than `seq`.
pub fn tells_of_before(update: &pb::Update, seq: Seq) -> bool {
    let id = match &update.change {
        Some(Change::MessageEdited(pb::MessageEdited { message: Some(message) })) => &message.id,
        Some(Change::LinkPreviewAdded(added)) => &added.message_id,
        _ => return false,
    };
    id.parse().is_ok_and(|id: MessageId| id.seq < seq)
}

/// The bytes of an update for who sees nothing before `visible_from_seq`: of an earlier message it says no more than which one it
/// is.
pub fn for_who_came_at(payload: Bytes, visible_from_seq: Seq) -> Bytes {
    let Ok(mut update) = pb::Update::decode(payload.clone()) else { return payload };
    if !tells_of_before(&update, visible_from_seq) {
        return payload;
    }
    match &mut update.change {
        Some(Change::MessageEdited(pb::MessageEdited { message: Some(message) })) => {
            *message = pb::Message {
                id: std::mem::take(&mut message.id),
                chat_id: std::mem::take(&mut message.chat_id),
                seq: message.seq,
                ..pb::Message::default()
            };
        }
        Some(Change::LinkPreviewAdded(added)) => added.link_preview = None,
        _ => {}
    }
    update.encode_to_vec().into()
}
