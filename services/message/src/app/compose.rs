//! From what a client sends to what is appended: everything is checked, looked up and hashed here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MediaId, MessageId, UserId};
use godwit_rpc::{InvalidField, parse_id};

use super::App;
use super::send_message::SendMessage;
use crate::domain::{
    Attachment, Change, Chosen, ClientMessageId, ContentHash, Entity, EntityKind, Entry, Extras, Message, MessageText,
    NewMessage, PostingPolicy, Reply, Violation, check_entities, find_mentions, limits,
};
use crate::error::Error;
use crate::events::outgoing;
use crate::store;
use crate::wire::{canonical_entities, decode_entities};

/// The most names that are looked up for one text.
const NAMES_MAX: usize = 100;

/// What tells a repeat of a message from another one.
pub(super) struct Named {
    pub chat_id: ChatId,
    pub client_message_id: ClientMessageId,
    pub content_hash: ContentHash,
}

/// A message that may be written as it is.
pub(super) struct Draft {
    pub named: Named,
    text: MessageText,
    extras: Option<Arc<Extras>>,
    mentions: Vec<UserId>,
}

/// What a client's message comes to.
pub(super) enum Composed {
    /// It can be appended.
    Draft(Draft),
    /// It could not be composed again, and was sent before.
    Sent(Box<Message>),
}

/// A message of which everything is known: a copy of another one.
#[derive(Clone, Debug)]
pub struct SendCopy {
    /// Where to.
    pub chat_id: ChatId,
    /// The sender's name for it.
    pub client_message_id: ClientMessageId,
    /// What it says; may be empty beside attachments.
    pub text: MessageText,
    /// What it has besides.
    pub extras: Extras,
    /// What it is a copy of.
    pub source: MessageId,
}

/// What a client asks to send, of which nothing is looked up yet.
struct Request {
    chat_id: ChatId,
    client_message_id: ClientMessageId,
    content: Content,
}

struct Content {
    text: MessageText,
    entities: Vec<Entity>,
    media_ids: Vec<MediaId>,
    reply_to: Option<MessageId>,
    is_silent: bool,
}

/// A text with its parts, and whom it mentions.
pub(super) struct Annotated {
    pub entities: Vec<Entity>,
    pub mentions: Vec<UserId>,
}

impl App {
    /// Checks and completes what a client sends. A plain text needs nothing but this process.
    pub(super) async fn compose(&self, caller: UserId, send: SendMessage) -> Result<Composed, Error> {
        let Request { chat_id, client_message_id, content } = Request::read(send)?;
        let named = Named { chat_id, client_message_id, content_hash: content.hash() };
        match self.complete(caller, chat_id, content).await {
            Ok((text, extras, mentions)) => Ok(Composed::Draft(Draft { named, text, extras, mentions })),
            Err(error) => self.or_sent_before(caller, &named, error).await.map(|sent| Composed::Sent(Box::new(sent))),
        }
    }

    /// The first result of a message that cannot be sent now, if it was sent before: what it answers can be deleted since, a
    /// file gone, the right to post taken away.
    ///
    /// # Errors
    /// `error` when it was not; those of the database.
    pub(super) async fn or_sent_before(&self, caller: UserId, named: &Named, error: Error) -> Result<Message, Error> {
        let is_of_now = matches!(
            error,
            Error::ReplyNotFound | Error::AttachmentNotFound | Error::PostingNotAllowed | Error::Blocked
        );
        if !is_of_now {
            return Err(error);
        }
        // Members alone may read.
        self.policies.get(named.chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        store::message_sent_as(&mut conn, named.chat_id, caller, &named.client_message_id, &named.content_hash)
            .await?
            .ok_or(error)
    }

    async fn complete(
        &self,
        caller: UserId,
        chat_id: ChatId,
        content: Content,
    ) -> Result<(MessageText, Option<Arc<Extras>>, Vec<UserId>), Error> {
        let Content { text, entities, media_ids, reply_to, is_silent } = content;
        let has_mentions = text.as_str().contains('@') || entities.iter().any(is_mention);
        if has_mentions || !media_ids.is_empty() || reply_to.is_some() {
            // What is looked up below is for members.
            self.policies.get(chat_id, caller).await?;
        }
        let Annotated { entities, mentions } = if has_mentions {
            self.annotate(caller, chat_id, &text, entities).await?
        } else {
            Annotated { entities, mentions: Vec::new() }
        };
        let attachments = self.describe(caller, &media_ids).await?;
        let reply_to = match reply_to {
            Some(id) => Some(self.reply(caller, chat_id, id).await?),
            None => None,
        };
        let extras = Extras { entities, attachments, reply_to, is_silent, ..Extras::default() };
        let extras = (!extras.is_empty()).then(|| Arc::new(extras));
        Ok((text, extras, mentions))
    }

    /// The parts of a text with a meaning: what the client named, but mentions only of members, and the members whom the
    /// text names.
    pub(super) async fn annotate(
        &self,
        caller: UserId,
        chat_id: ChatId,
        text: &MessageText,
        entities: Vec<Entity>,
    ) -> Result<Annotated, Error> {
        let named = find_mentions(text.as_str());
        let users = self.resolve(named.iter().map(|found| found.username.as_str())).await;
        let given = entities.iter().filter_map(mentioned);
        let candidates: Vec<UserId> =
            given.chain(users.values().copied()).collect::<HashSet<_>>().into_iter().collect();
        if candidates.is_empty() {
            return Ok(Annotated { entities, mentions: Vec::new() });
        }
        let mut conn = self.pool.get().await?;
        let members = store::members_among(&mut conn, chat_id, &candidates).await?;
        drop(conn);
        let mut kept: Vec<Entity> = entities
            .into_iter()
            .filter(|entity| mentioned(entity).is_none_or(|user| members.contains(&user)))
            .collect();
        let taken: HashSet<u32> = kept.iter().filter(|entity| is_mention(entity)).map(|entity| entity.offset).collect();
        for found in named.into_iter().filter(|found| !taken.contains(&found.offset)) {
            let Some(user_id) = users.get(&found.username).copied().filter(|user| members.contains(user)) else {
                continue;
            };
            let kind = EntityKind::Mention { user_id };
            kept.push(Entity { offset: found.offset, length: found.length, kind });
        }
        kept.truncate(limits::ENTITIES_MAX);
        kept.sort_by_key(|entity| (entity.offset, entity.length));
        let mentions: HashSet<UserId> = kept.iter().filter_map(mentioned).filter(|user| *user != caller).collect();
        Ok(Annotated { entities: kept, mentions: mentions.into_iter().collect() })
    }

    /// Whom names belong to. While nobody can tell, they are plain text: a message does not wait for that.
    async fn resolve(&self, names: impl Iterator<Item = &str>) -> HashMap<String, UserId> {
        let names: HashSet<String> = names.map(str::to_owned).collect();
        if names.is_empty() {
            return HashMap::new();
        }
        let names = names.into_iter().take(NAMES_MAX).collect();
        self.users.resolve_usernames(names).await.unwrap_or_else(|status| {
            metrics::counter!("godwit_message_mentions_unresolved_total").increment(1);
            tracing::warn!(error = &status as &dyn std::error::Error, "the names of a text are not looked up");
            HashMap::new()
        })
    }

    async fn describe(&self, caller: UserId, media_ids: &[MediaId]) -> Result<Vec<Attachment>, Error> {
        if media_ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.media.describe_attachments(caller, media_ids).await.map_err(Error::Media)?;
        found.filter(|found| found.len() == media_ids.len()).ok_or(Error::AttachmentNotFound)
    }

    async fn reply(&self, caller: UserId, chat_id: ChatId, id: MessageId) -> Result<Reply, Error> {
        if id.chat_id != chat_id {
            return Err(Error::ReplyNotFound);
        }
        let message = match self.get_message(caller, id).await {
            Ok(message) => message,
            Err(Error::MessageNotFound) => return Err(Error::ReplyNotFound),
            Err(error) => return Err(error),
        };
        let mut conn = self.pool.get().await?;
        let is_for_all = id.seq >= store::hidden_until(&mut conn, chat_id).await?;
        let text = if is_for_all { message.text.as_str() } else { "" };
        Ok(Reply::to(id, message.sender_id, text))
    }
}

impl Request {
    fn read(send: SendMessage) -> Result<Self, Error> {
        let SendMessage { chat_id, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } =
            send;
        let chat_id = parse_id("chat_id", &chat_id)?;
        let client_message_id =
            ClientMessageId::parse(client_message_id).map_err(|violation| invalid("client_message_id", violation))?;
        let media_ids = read_media_ids(&media_ids)?;
        let parse = if media_ids.is_empty() { MessageText::parse } else { MessageText::parse_caption };
        let text = parse(text).map_err(|violation| invalid("text", violation))?;
        let entities = read_entities(&text, &entities)?;
        let reply_to = match reply_to_message_id.as_str() {
            "" => None,
            id => Some(parse_id("reply_to_message_id", id)?),
        };
        let content = Content { text, entities, media_ids, reply_to, is_silent };
        Ok(Self { chat_id, client_message_id, content })
    }
}

impl Content {
    fn hash(&self) -> ContentHash {
        let entities = canonical_entities(&self.entities);
        let chosen = Chosen {
            entities: &entities,
            media_ids: &self.media_ids,
            reply_to: self.reply_to,
            forwarded_from: None,
            is_silent: self.is_silent,
        };
        ContentHash::of_all(self.text.as_str(), chosen)
    }
}

/// The parts of a text as a client names them, if they fit it.
pub(super) fn read_entities(text: &MessageText, entities: &[pb::MessageEntity]) -> Result<Vec<Entity>, Error> {
    if entities.is_empty() {
        return Ok(Vec::new());
    }
    let entities = decode_entities(entities)?;
    Ok(check_entities(text.as_str(), entities).map_err(|violation| invalid("entities", violation))?)
}

pub(super) fn read_media_ids(ids: &[String]) -> Result<Vec<MediaId>, Error> {
    if ids.len() > limits::ATTACHMENTS_MAX {
        return Err(InvalidField::new("media_ids", "must have at most 10 items").into());
    }
    let parsed = ids.iter().map(|id| parse_id("media_ids", id)).collect::<Result<Vec<MediaId>, _>>()?;
    if parsed.iter().collect::<HashSet<_>>().len() != parsed.len() {
        return Err(InvalidField::new("media_ids", "must not name a file twice").into());
    }
    Ok(parsed)
}

pub(super) fn invalid(field: &'static str, violation: Violation) -> InvalidField {
    InvalidField::new(field, violation.0)
}

const fn mentioned(entity: &Entity) -> Option<UserId> {
    match &entity.kind {
        EntityKind::Mention { user_id } => Some(*user_id),
        _ => None,
    }
}

const fn is_mention(entity: &Entity) -> bool {
    mentioned(entity).is_some()
}

impl Draft {
    /// A copy of a message. Its hash is over what cannot change between two tries: which message that is, not what it says by
    /// now or whom it names.
    pub fn of_copy(copy: SendCopy) -> Self {
        let SendCopy { chat_id, client_message_id, text, extras, source } = copy;
        let source = source.to_string();
        let chosen = Chosen { forwarded_from: Some(&source), is_silent: extras.is_silent, ..Chosen::default() };
        let content_hash = ContentHash::of_all("", chosen);
        let extras = (!extras.is_empty()).then(|| Arc::new(extras));
        let named = Named { chat_id, client_message_id, content_hash };
        Self { named, text, extras, mentions: Vec::new() }
    }

    /// Whether there is nothing but a text.
    pub const fn is_plain(&self) -> bool {
        self.extras.is_none()
    }

    pub fn new_message(&self, sender_id: UserId, policy: PostingPolicy) -> NewMessage {
        NewMessage {
            sender_id,
            client_message_id: self.named.client_message_id.clone(),
            text: self.text.clone(),
            extras: self.extras.clone(),
            mentions: self.mentions.clone(),
            content_hash: self.named.content_hash,
            policy_version: policy.version,
            slow_mode_secs: policy.pause_secs(),
        }
    }

    pub fn entry(&self, new: &NewMessage) -> Entry {
        Entry {
            chat_id: self.named.chat_id,
            headers: outgoing::current_headers(),
            change: Change::Message(new.clone()),
        }
    }
}
