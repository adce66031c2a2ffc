//! The `bytea` columns of a message: `godwit.v1.Message` with nothing but what the column holds.

use godwit_contract::v1 as pb;
use prost::Message as _;

use super::entity::{decode_entities, encode_entities};
use crate::domain::{
    Attachment, AttachmentKind, AttachmentLook, Emoji, Entity, Extras, ForwardOrigin, LinkPreview, ReactionCount, Reply,
};

/// `messages.extras`.
pub fn encode_extras(extras: &Extras) -> Vec<u8> {
    let mut message = pb::Message::default();
    fill(&mut message, extras);
    message.encode_to_vec()
}

/// Puts extras into a message.
pub(super) fn fill(message: &mut pb::Message, extras: &Extras) {
    message.entities = encode_entities(&extras.entities);
    message.attachments = extras.attachments.iter().map(encode_attachment).collect();
    message.reply_to = extras.reply_to.as_ref().map(encode_reply);
    message.forwarded_from = extras.forwarded_from.as_ref().map(encode_origin);
    message.is_silent = extras.is_silent;
    message.link_preview = extras.link_preview.as_ref().map(encode_preview);
}

/// What `messages.extras` holds. What this version cannot read of it is left out: the message is still there.
pub fn decode_extras(bytes: &[u8]) -> Extras {
    let message = pb::Message::decode(bytes).unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the extras of a message cannot be decoded");
        pb::Message::default()
    });
    Extras {
        entities: decode_entities(&message.entities).unwrap_or_default(),
        attachments: message.attachments.iter().filter_map(decode_attachment).collect(),
        reply_to: message.reply_to.as_ref().and_then(decode_reply),
        forwarded_from: message.forwarded_from.as_ref().and_then(decode_origin),
        is_silent: message.is_silent,
        link_preview: message.link_preview.map(decode_preview),
    }
}

/// `message_versions.entities`; `None` when there are none.
pub fn encode_version_entities(entities: &[Entity]) -> Option<Vec<u8>> {
    let message = pb::Message { entities: encode_entities(entities), ..pb::Message::default() };
    (!entities.is_empty()).then(|| message.encode_to_vec())
}

/// What `message_versions.entities` holds.
pub fn decode_version_entities(bytes: &[u8]) -> Vec<Entity> {
    decode_extras(bytes).entities
}

/// `messages.reactions`; `None` when there are none.
pub fn encode_reactions(counts: &[ReactionCount]) -> Option<Vec<u8>> {
    let message = pb::Message { reactions: encode_counts(counts), ..pb::Message::default() };
    (!counts.is_empty()).then(|| message.encode_to_vec())
}

pub(super) fn encode_counts(counts: &[ReactionCount]) -> Vec<pb::ReactionCount> {
    counts.iter().map(|one| pb::ReactionCount { emoji: one.emoji.to_string(), count: one.count }).collect()
}

/// What `messages.reactions` holds.
pub fn decode_reactions(bytes: &[u8]) -> Vec<ReactionCount> {
    let counts = pb::Message::decode(bytes).map(|message| message.reactions).unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the reactions of a message cannot be decoded");
        Vec::new()
    });
    counts.into_iter().map(|one| ReactionCount { emoji: Emoji::from_store(one.emoji), count: one.count }).collect()
}

/// The contract's form.
pub fn encode_attachment(attachment: &Attachment) -> pb::Attachment {
    let look = &attachment.look;
    pb::Attachment {
        media_id: attachment.media_id.to_string(),
        file_name: attachment.file_name.clone(),
        content_type: attachment.content_type.clone(),
        size_bytes: attachment.size_bytes,
        kind: encode_kind(attachment.kind).into(),
        width: look.width,
        height: look.height,
        duration_ms: look.duration_ms,
        blurhash: look.blurhash.clone(),
        waveform: look.waveform.clone().into(),
        has_thumbnails: look.has_thumbnails,
    }
}

/// `None` when its media id is none.
pub fn decode_attachment(attachment: &pb::Attachment) -> Option<Attachment> {
    Some(Attachment {
        media_id: attachment.media_id.parse().ok()?,
        file_name: attachment.file_name.clone(),
        content_type: attachment.content_type.clone(),
        size_bytes: attachment.size_bytes,
        kind: decode_kind(attachment.kind()),
        look: AttachmentLook {
            width: attachment.width,
            height: attachment.height,
            duration_ms: attachment.duration_ms,
            blurhash: attachment.blurhash.clone(),
            waveform: attachment.waveform.to_vec(),
            has_thumbnails: attachment.has_thumbnails,
        },
    })
}

const fn encode_kind(kind: AttachmentKind) -> pb::AttachmentKind {
    match kind {
        AttachmentKind::Unknown => pb::AttachmentKind::Unspecified,
        AttachmentKind::Image => pb::AttachmentKind::Image,
        AttachmentKind::Video => pb::AttachmentKind::Video,
        AttachmentKind::VideoNote => pb::AttachmentKind::VideoNote,
        AttachmentKind::Voice => pb::AttachmentKind::Voice,
        AttachmentKind::Audio => pb::AttachmentKind::Audio,
        AttachmentKind::Document => pb::AttachmentKind::Document,
    }
}

const fn decode_kind(kind: pb::AttachmentKind) -> AttachmentKind {
    match kind {
        pb::AttachmentKind::Unspecified => AttachmentKind::Unknown,
        pb::AttachmentKind::Image => AttachmentKind::Image,
        pb::AttachmentKind::Video => AttachmentKind::Video,
        pb::AttachmentKind::VideoNote => AttachmentKind::VideoNote,
        pb::AttachmentKind::Voice => AttachmentKind::Voice,
        pb::AttachmentKind::Audio => AttachmentKind::Audio,
        pb::AttachmentKind::Document => AttachmentKind::Document,
    }
}

fn encode_reply(reply: &Reply) -> pb::ReplyInfo {
    pb::ReplyInfo {
        message_id: reply.message_id.to_string(),
        sender_id: reply.sender_id.to_string(),
        snippet: reply.snippet.clone(),
        is_deleted: reply.is_deleted,
    }
}

fn decode_reply(reply: &pb::ReplyInfo) -> Option<Reply> {
    Some(Reply {
        message_id: reply.message_id.parse().ok()?,
        sender_id: reply.sender_id.parse().ok()?,
        snippet: reply.snippet.clone(),
        is_deleted: reply.is_deleted,
    })
}

fn encode_origin(origin: &ForwardOrigin) -> pb::ForwardOrigin {
    pb::ForwardOrigin {
        sender_id: origin.sender_id.map(|id| id.to_string()).unwrap_or_default(),
        chat_id: origin.chat_id.map(|id| id.to_string()).unwrap_or_default(),
        message_id: origin.message_id.map(|id| id.to_string()).unwrap_or_default(),
        sent_at: Some(godwit_rpc::timestamp(origin.sent_at)),
    }
}

fn decode_origin(origin: &pb::ForwardOrigin) -> Option<ForwardOrigin> {
    Some(ForwardOrigin {
        sender_id: origin.sender_id.parse().ok(),
        chat_id: origin.chat_id.parse().ok(),
        message_id: origin.message_id.parse().ok(),
        sent_at: godwit_rpc::instant(origin.sent_at.as_ref()?)?,
    })
}

pub(super) fn encode_preview(preview: &LinkPreview) -> pb::LinkPreview {
    pb::LinkPreview {
        url: preview.url.clone(),
        title: preview.title.clone(),
        description: preview.description.clone(),
        site_name: preview.site_name.clone(),
    }
}

fn decode_preview(preview: pb::LinkPreview) -> LinkPreview {
    let pb::LinkPreview { url, title, description, site_name } = preview;
    LinkPreview { url, title, description, site_name }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, MediaId, MessageId, Seq, UserId};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::domain::EntityKind;

    #[test]
    fn extras_survive_their_stored_form() {
        let user_id = UserId::from_uuid(Uuid::from_u128(1));
        let message_id = MessageId { chat_id: ChatId::from_uuid(Uuid::from_u128(2)), seq: Seq::new(3).unwrap() };
        let text = |text: &str| text.to_owned();
        let extras = Extras {
            entities: vec![Entity { offset: 0, length: 4, kind: EntityKind::Mention { user_id } }],
            attachments: vec![Attachment {
                media_id: MediaId::from_uuid(Uuid::from_u128(4)),
                file_name: text("a.png"),
                content_type: text("image/png"),
                size_bytes: 5,
                kind: AttachmentKind::Voice,
                look: AttachmentLook {
                    width: 6,
                    height: 7,
                    duration_ms: 8,
                    blurhash: text("b"),
                    waveform: vec![0, 255],
                    has_thumbnails: true,
                },
            }],
            reply_to: Some(Reply::to(message_id, user_id, "hello")),
            forwarded_from: Some(ForwardOrigin {
                sender_id: None,
                chat_id: Some(message_id.chat_id),
                message_id: Some(message_id),
                sent_at: datetime!(2026-06-01 12:00:00.5 UTC),
            }),
            is_silent: true,
            link_preview: Some(LinkPreview {
                url: text("u"),
                title: text("t"),
                description: text("d"),
                site_name: text("s"),
            }),
        };
        assert_eq!(decode_extras(&encode_extras(&extras)), extras);
        assert!(encode_extras(&Extras::default()).is_empty());
        assert_eq!(decode_extras(b"\xff\xff"), Extras::default());
    }

    #[test]
    fn reactions_survive_their_stored_form() {
        let counts = vec![ReactionCount { emoji: Emoji::parse("👍").unwrap(), count: 3 }];
        assert_eq!(decode_reactions(&encode_reactions(&counts).unwrap()), counts);
        assert_eq!(encode_reactions(&[]), None);
    }
}
