//! What requests of several services hold.

use godwit_contract::v1 as pb;
use godwit_kernel::limits::{LINK_URLS_BYTES, PAGE_DEFAULT, PAGE_MAX, page_size};
use godwit_kernel::{ChatId, MessageId, UserId};
use godwit_rpc::{InvalidField, is_client_id, parse_id};

use crate::domain::{Description, Handle, IdCursor, Problem, TimeCursor, Title, check_draft_spans, check_draft_text};
use crate::error::Error;

/// The longest URL of an entity, in bytes.
const URL_BYTES: usize = 2_048;
/// The longest name of a programming language, in bytes.
const LANGUAGE_BYTES: usize = 32;

/// What a field holds, or what is wrong with it.
pub(super) fn field<T>(name: &'static str, parsed: Result<T, Problem>) -> Result<T, InvalidField> {
    parsed.map_err(|problem| InvalidField::new(name, problem))
}

pub(super) fn title(text: &str) -> Result<Title, InvalidField> {
    field("title", Title::parse(text))
}

pub(super) fn description(text: &str) -> Result<Description, InvalidField> {
    field("description", Description::parse(text))
}

/// `None` when it is empty.
pub(super) fn handle(text: &str) -> Result<Option<Handle>, InvalidField> {
    if text.is_empty() { Ok(None) } else { field("handle", Handle::parse(text)).map(Some) }
}

/// `None` when it is empty.
pub(super) fn optional_id<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<Option<T>, InvalidField> {
    if text.is_empty() { Ok(None) } else { parse_id(name, text).map(Some) }
}

/// The `Idempotency-Key` when it is empty.
pub(super) fn client_chat_id(text: String, key: Option<String>) -> Result<Option<String>, InvalidField> {
    match text.as_str() {
        "" => Ok(key),
        id if is_client_id(id) => Ok(Some(text)),
        _ => Err(InvalidField::new("client_chat_id", "must be 1 to 64 of A-Z a-z 0-9 _ -")),
    }
}

/// At most `max` ids.
pub(super) fn ids<T: std::str::FromStr>(
    name: &'static str,
    texts: &[String],
    max: usize,
) -> Result<Vec<T>, InvalidField> {
    if texts.len() > max {
        return Err(InvalidField::new(name, format!("must be at most {max}")));
    }
    texts.iter().map(|text| parse_id(name, text)).collect()
}

/// The chat and the person of a request.
pub(super) fn chat_and_user(chat_id: &str, user_id: &str) -> Result<(ChatId, UserId), InvalidField> {
    Ok((parse_id("chat_id", chat_id)?, parse_id("user_id", user_id)?))
}

/// The chat, the place and the size of a page of people.
pub(super) fn people_page(chat_id: &str, cursor: &str, limit: u32) -> Result<(ChatId, Option<IdCursor>, u32), Error> {
    Ok((parse_id("chat_id", chat_id)?, IdCursor::decode(cursor)?, page_size(limit, PAGE_DEFAULT, PAGE_MAX)))
}

/// The place and the size of a page of what has an instant.
pub(super) fn time_page(cursor: &str, limit: u32) -> Result<(Option<TimeCursor>, u32), Error> {
    Ok((TimeCursor::decode(cursor)?, page_size(limit, PAGE_DEFAULT, PAGE_MAX)))
}

/// What somebody is about to send to a chat.
pub(super) fn draft(
    chat_id: ChatId,
    text: String,
    entities: Vec<pb::MessageEntity>,
    reply_to_message_id: String,
) -> Result<pb::Draft, InvalidField> {
    field("text", check_draft_text(&text))?;
    let spans: Vec<_> = entities.iter().map(|entity| (entity.offset, entity.length)).collect();
    field("entities", check_draft_spans(&text, &spans))?;
    entities.iter().try_for_each(check_entity)?;
    if entities.iter().map(|entity| entity.url.len()).sum::<usize>() > LINK_URLS_BYTES {
        return Err(InvalidField::new("entities", "the urls of a text must have at most 8192 bytes together"));
    }
    let is_of_chat = |id: MessageId| id.chat_id == chat_id;
    if !reply_to_message_id.is_empty() && !reply_to_message_id.parse().is_ok_and(is_of_chat) {
        return Err(InvalidField::new("reply_to_message_id", "is no message of the chat"));
    }
    Ok(pb::Draft { text, entities, reply_to_message_id, ..pb::Draft::default() })
}

fn check_entity(entity: &pb::MessageEntity) -> Result<(), InvalidField> {
    let is_known = pb::EntityKind::try_from(entity.kind).is_ok_and(|kind| kind != pb::EntityKind::Unspecified);
    let has_user = entity.user_id.is_empty() || entity.user_id.parse::<UserId>().is_ok();
    let is_small = entity.url.len() <= URL_BYTES && entity.language.len() <= LANGUAGE_BYTES;
    if is_known && has_user && is_small {
        Ok(())
    } else {
        Err(InvalidField::new("entities", "an entity is of no kind, or what belongs to it is none, or too long"))
    }
}
