use godwit_contract::v1 as pb;
use godwit_kernel::ChatId;

use super::extras::{encode_counts, fill};
use crate::domain::{Message, NewMessage, Placed};

/// The message that `new` became.
pub fn message_of(chat_id: ChatId, new: &NewMessage, placed: &Placed) -> Message {
    Message {
        chat_id,
        seq: placed.seq,
        sender_id: new.sender_id,
        client_message_id: new.client_message_id.clone(),
        text: new.text.clone(),
        sent_at: placed.occurred_at,
        extras: new.extras.as_ref().map(|extras| Box::new(extras.as_ref().clone())),
        edit: None,
        reactions: Vec::new(),
        my_reaction: None,
        is_deleted: false,
    }
}

/// The contract's form of a message.
pub fn encode_message(message: &Message) -> pb::Message {
    let mut encoded = pb::Message {
        id: message.id().to_string(),
        chat_id: message.chat_id.to_string(),
        seq: message.seq.get(),
        sender_id: message.sender_id.to_string(),
        client_message_id: message.client_message_id.as_str().to_owned(),
        text: message.text.as_str().to_owned(),
        sent_at: Some(godwit_rpc::timestamp(message.sent_at)),
        edited_at: message.edit.map(|edit| godwit_rpc::timestamp(edit.edited_at)),
        edit_count: message.edit_count(),
        reactions: encode_counts(&message.reactions),
        my_reaction: message.my_reaction.as_ref().map(ToString::to_string).unwrap_or_default(),
        is_deleted: message.is_deleted,
        ..pb::Message::default()
    };
    if let Some(extras) = &message.extras {
        fill(&mut encoded, extras);
    }
    encoded
}
