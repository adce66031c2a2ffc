//! What the contract's messages mean for the index.

use godwit_contract::v1::{Attachment, AttachmentKind, EntityKind, Message, MessageEntity};
use godwit_kernel::{Seq, limits};

use crate::domain::term::message_terms;
use crate::domain::{IndexedMessage, Kind, text};

/// What a message brings, each once.
pub fn kinds_of(message: &Message) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = message.attachments.iter().map(kind_of).collect();
    let is_link = |entity: &MessageEntity| entity.kind() == EntityKind::Link;
    if Kind::has_link(&message.text) || message.entities.iter().any(is_link) {
        kinds.push(Kind::Link);
    }
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// What media found it to be, or else what its type says.
fn kind_of(attachment: &Attachment) -> Kind {
    match attachment.kind() {
        AttachmentKind::Unspecified => Kind::of_content_type(&attachment.content_type),
        AttachmentKind::Image => Kind::Photo,
        AttachmentKind::Video | AttachmentKind::VideoNote => Kind::Video,
        AttachmentKind::Voice => Kind::Voice,
        AttachmentKind::Audio => Kind::Audio,
        AttachmentKind::Document => Kind::File,
    }
}

/// A message as the index holds it.
///
/// # Errors
/// What is wrong with it, when it breaks a limit of the contract.
pub fn indexed(epoch: String, message: &Message) -> Result<IndexedMessage, &'static str> {
    if message.text.contains('\0') || message.text.chars().count() > limits::MESSAGE_TEXT_CHARS {
        return Err("the message's text is not one");
    }
    let sent_at = message.sent_at.as_ref().and_then(godwit_rpc::instant);
    let chat_id = message.chat_id.parse().map_err(|_| "the message names no chat")?;
    let sender_id = message.sender_id.parse().map_err(|_| "the message names no sender")?;
    Ok(IndexedMessage {
        chat_id,
        seq: Seq::new(message.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the message has no seq")?,
        epoch,
        sent_at: sent_at.ok_or("the message has no instant")?,
        terms: message_terms(chat_id, sender_id, &kinds_of(message), &text::words(&message.text)),
    })
}
