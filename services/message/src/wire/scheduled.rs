use bytes::Bytes;
use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, UserId};
use prost::Message as _;

use super::entity::{decode_entities, encode_entities};
use super::update::partial_update;
use crate::domain::{MessageText, Scheduled, ScheduledContent};

/// The contract's form, and with a message's content alone `scheduled_messages.payload`.
pub fn encode_scheduled(scheduled: &Scheduled) -> api::ScheduledMessage {
    let content = &scheduled.content;
    api::ScheduledMessage {
        id: scheduled.id.to_string(),
        chat_id: scheduled.chat_id.to_string(),
        text: content.text.as_str().to_owned(),
        entities: encode_entities(&content.entities),
        media_ids: content.media_ids.iter().map(ToString::to_string).collect(),
        reply_to_message_id: content.reply_to.map(|id| id.to_string()).unwrap_or_default(),
        is_silent: content.is_silent,
        send_at: Some(godwit_rpc::timestamp(scheduled.send_at)),
        created_at: Some(godwit_rpc::timestamp(scheduled.created_at)),
        failure: scheduled.failure.clone().unwrap_or_default(),
    }
}

/// The update that tells a person's devices to list again what they have scheduled in a chat: actor and change.
pub fn scheduled_changed(sender_id: UserId, chat_id: ChatId) -> Bytes {
    let change = Change::ScheduledChanged(pb::ScheduledChanged { chat_id: chat_id.to_string() });
    partial_update(pb::Update { actor_id: sender_id.to_string(), change: Some(change), ..pb::Update::default() })
}

/// `scheduled_messages.payload`.
pub fn encode_scheduled_content(content: &ScheduledContent) -> Vec<u8> {
    let message = api::ScheduledMessage {
        text: content.text.as_str().to_owned(),
        entities: encode_entities(&content.entities),
        media_ids: content.media_ids.iter().map(ToString::to_string).collect(),
        reply_to_message_id: content.reply_to.map(|id| id.to_string()).unwrap_or_default(),
        is_silent: content.is_silent,
        ..api::ScheduledMessage::default()
    };
    message.encode_to_vec()
}

/// What `scheduled_messages.payload` holds. What this version cannot read of it is left out, so that sending it is refused
/// and its sender told.
pub fn decode_scheduled_content(bytes: &[u8], chat_id: ChatId) -> ScheduledContent {
    let message = api::ScheduledMessage::decode(bytes).unwrap_or_else(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error, chat.id = %chat_id, "a scheduled message cannot be decoded"
        );
        api::ScheduledMessage::default()
    });
    ScheduledContent {
        text: MessageText::from_store(message.text),
        entities: decode_entities(&message.entities).unwrap_or_default(),
        media_ids: message.media_ids.iter().filter_map(|id| id.parse().ok()).collect(),
        reply_to: message.reply_to_message_id.parse().ok(),
        is_silent: message.is_silent,
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::MediaId;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Entity, EntityKind};

    #[test]
    fn content_survives_its_stored_form() {
        let chat_id = ChatId::from_uuid(Uuid::from_u128(1));
        let content = ScheduledContent {
            text: MessageText::from_store("hello".to_owned()),
            entities: vec![Entity { offset: 0, length: 5, kind: EntityKind::Bold }],
            media_ids: vec![MediaId::from_uuid(Uuid::from_u128(2))],
            reply_to: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB".parse().ok(),
            is_silent: true,
        };
        assert_eq!(decode_scheduled_content(&encode_scheduled_content(&content), chat_id), content);
    }
}
