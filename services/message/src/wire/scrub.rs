//! Stored updates without what is deleted.

use std::collections::HashSet;

use bytes::Bytes;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::MessageId;
use prost::Message as _;

/// What is to be gone from an update.
#[derive(Clone, Copy, Debug)]
pub struct Scrub<'a> {
    /// The messages that are deleted.
    pub erased: &'a HashSet<MessageId>,
}

/// The bytes of an update without the content of deleted messages, and without the snippets of them; `None` when there
/// is none in it.
pub fn scrub_update(payload: &Bytes, scrub: Scrub<'_>) -> Option<Bytes> {
    let mut update = pb::Update::decode(payload.clone()).ok()?;
    let has_changed = match &mut update.change {
        Some(Change::MessageCreated(pb::MessageCreated { message: Some(message) }))
        | Some(Change::MessageEdited(pb::MessageEdited { message: Some(message) })) => scrub_message(message, scrub),
        Some(Change::LinkPreviewAdded(added)) => {
            is_erased(&added.message_id, scrub) && added.link_preview.take().is_some()
        }
        _ => false,
    };
    has_changed.then(|| update.encode_to_vec().into())
}

fn is_erased(id: &str, scrub: Scrub<'_>) -> bool {
    id.parse().is_ok_and(|id: MessageId| scrub.erased.contains(&id))
}

fn scrub_message(message: &mut pb::Message, scrub: Scrub<'_>) -> bool {
    if message.is_deleted {
        return false;
    }
    if is_erased(&message.id, scrub) {
        *message = pb::Message {
            id: std::mem::take(&mut message.id),
            chat_id: std::mem::take(&mut message.chat_id),
            seq: message.seq,
            sender_id: std::mem::take(&mut message.sender_id),
            client_message_id: std::mem::take(&mut message.client_message_id),
            sent_at: message.sent_at,
            edited_at: message.edited_at,
            edit_count: message.edit_count,
            is_deleted: true,
            ..pb::Message::default()
        };
        return true;
    }
    match &mut message.reply_to {
        Some(reply) if !reply.is_deleted && is_erased(&reply.message_id, scrub) => {
            reply.snippet.clear();
            reply.is_deleted = true;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, Seq};
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "not for the eyes of others";

    fn id(seq: u64) -> MessageId {
        MessageId { chat_id: ChatId::from_uuid(Uuid::from_u128(1)), seq: Seq::new(seq).unwrap() }
    }

    fn message(seq: u64) -> pb::Message {
        let link_preview = Some(pb::LinkPreview { title: SECRET.to_owned(), ..Default::default() });
        let entities = vec![pb::MessageEntity { url: SECRET.to_owned(), ..Default::default() }];
        pb::Message {
            id: id(seq).to_string(),
            seq,
            text: SECRET.to_owned(),
            link_preview,
            entities,
            ..Default::default()
        }
    }

    fn scrubbed(change: Change, seq: u64) -> Option<pb::Update> {
        let update = pb::Update { seq: 9, change: Some(change), ..Default::default() };
        let erased = HashSet::from([id(seq)]);
        let bytes = scrub_update(&update.encode_to_vec().into(), Scrub { erased: &erased })?;
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
        Some(pb::Update::decode(bytes).unwrap())
    }

    #[test]
    fn nothing_is_left_of_a_deleted_message_in_what_held_it() {
        let holds = [
            Change::MessageCreated(pb::MessageCreated { message: Some(message(3)) }),
            Change::MessageEdited(pb::MessageEdited { message: Some(message(3)) }),
            Change::LinkPreviewAdded(pb::LinkPreviewAdded {
                message_id: id(3).to_string(),
                link_preview: message(3).link_preview,
            }),
        ];
        for change in holds {
            assert_eq!(scrubbed(change.clone(), 3).unwrap().seq, 9);
            assert!(scrubbed(change, 4).is_none(), "another message is left as it is");
        }
    }

    #[test]
    fn a_reply_keeps_what_it_says_and_loses_what_it_quotes() {
        let reply_to =
            Some(pb::ReplyInfo { message_id: id(3).to_string(), snippet: SECRET.to_owned(), ..Default::default() });
        let reply = pb::Message { id: id(5).to_string(), text: "yes".to_owned(), reply_to, ..Default::default() };
        let update = scrubbed(Change::MessageCreated(pb::MessageCreated { message: Some(reply) }), 3).unwrap();
        let Some(Change::MessageCreated(created)) = update.change else { panic!("another change") };
        let message = created.message.unwrap();
        assert_eq!(message.text, "yes");
        assert!(message.reply_to.unwrap().is_deleted);
    }
}
