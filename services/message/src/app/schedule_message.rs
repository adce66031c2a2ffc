use godwit_kernel::{ChatId, EventId, UserId};
use godwit_rpc::{InvalidField, ServiceError as _, parse_id};
use time::OffsetDateTime;
use tonic::Code;

use super::App;
use super::compose::{invalid, read_entities, read_media_ids};
use super::send_message::SendMessage;
use crate::domain::{ClientMessageId, MessageText, Posting, Scheduled, ScheduledContent, ScheduledId};
use crate::error::Error;
use crate::store::{self, NewScheduled, ScheduleOutcome, UntoldChange};

/// What a client wants sent later.
#[derive(Clone)]
pub struct ScheduleMessage {
    /// As if it were sent now.
    pub send: SendMessage,
    /// When it is to be sent.
    pub send_at: OffsetDateTime,
}

impl App {
    /// Keeps a message that will be sent. Whether its sender may send it is asked when it is due too. The same client
    /// message id gives the first result, also once it is sent or deleted.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::ChatNotFound`] for who is not a member; [`Error::PostingNotAllowed`];
    /// [`Error::Blocked`]; [`Error::AttachmentNotFound`]; [`Error::ReplyNotFound`]; [`Error::TooManyScheduled`];
    /// [`Error::ClientMessageIdReused`]; those of other services and the database.
    #[tracing::instrument(name = "message.schedule_message", skip_all, fields(chat.id), err(level = "debug"))]
    pub async fn schedule_message(&self, caller: UserId, schedule: ScheduleMessage) -> Result<Scheduled, Error> {
        let ScheduleMessage { send, send_at } = schedule;
        let (chat_id, client_message_id, content) = read(send)?;
        tracing::Span::current().record("chat.id", tracing::field::display(chat_id));
        let new = NewScheduled {
            id: ScheduledId::generate(&*self.clock, &*self.entropy),
            chat_id,
            sender_id: caller,
            client_message_id,
            content,
            send_at: to_micros(send_at),
            event_id: EventId::generate(&*self.clock, &*self.entropy),
        };
        let checked = self.check_new(caller, &new).await;
        let mut conn = self.pool.get().await?;
        let outcome = match checked {
            Ok(()) => store::schedule(&mut conn, &new).await?,
            Err(error) if error.code() == Code::Unavailable => return Err(error),
            // What cannot be scheduled now can have been before.
            Err(error) => store::scheduled_before(&mut conn, &new).await?.ok_or(error)?,
        };
        drop(conn);
        match outcome {
            ScheduleOutcome::Scheduled(scheduled) => {
                count("scheduled");
                self.tell_scheduled_soon(new.untold()).await;
                Ok(scheduled)
            }
            ScheduleOutcome::Repeated(scheduled) => Ok(scheduled),
            ScheduleOutcome::Reused => Err(Error::ClientMessageIdReused),
            ScheduleOutcome::TooMany => Err(Error::TooManyScheduled),
            ScheduleOutcome::NotThen(violation) => Err(invalid("send_at", violation).into()),
        }
    }

    async fn check_new(&self, caller: UserId, new: &NewScheduled) -> Result<(), Error> {
        self.check_may_post(caller, new.chat_id).await?;
        self.check_parts(caller, new.chat_id, &new.content).await
    }

    async fn check_may_post(&self, caller: UserId, chat_id: ChatId) -> Result<(), Error> {
        let mut policy = self.current_policy(chat_id, caller).await?;
        if policy.posting != Posting::Allowed {
            policy = self.policies.reload(chat_id, caller).await?;
        }
        match policy.posting {
            Posting::Allowed => Ok(()),
            Posting::NotAllowed => Err(Error::PostingNotAllowed),
            Posting::Blocked => Err(Error::Blocked),
        }
    }

    /// What would be refused when it is due is refused now, while its sender is there to hear it.
    async fn check_parts(&self, caller: UserId, chat_id: ChatId, content: &ScheduledContent) -> Result<(), Error> {
        if !content.media_ids.is_empty() {
            let found = self.media.describe_attachments(caller, &content.media_ids).await.map_err(Error::Media)?;
            found.ok_or(Error::AttachmentNotFound)?;
        }
        let Some(id) = content.reply_to else { return Ok(()) };
        if id.chat_id != chat_id {
            return Err(Error::ReplyNotFound);
        }
        match self.get_message(caller, id).await {
            Ok(_) => Ok(()),
            Err(Error::MessageNotFound) => Err(Error::ReplyNotFound),
            Err(error) => Err(error),
        }
    }
}

impl NewScheduled {
    const fn untold(&self) -> UntoldChange {
        UntoldChange { sender_id: self.sender_id, chat_id: self.chat_id, event_id: self.event_id }
    }
}

fn read(send: SendMessage) -> Result<(ChatId, ClientMessageId, ScheduledContent), Error> {
    let SendMessage { chat_id, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } = send;
    let chat_id = parse_id("chat_id", &chat_id)?;
    let client_message_id =
        ClientMessageId::parse(client_message_id).map_err(|violation| invalid("client_message_id", violation))?;
    let media_ids = read_media_ids(&media_ids)?;
    let text = read_text(text, !media_ids.is_empty())?;
    let entities = read_entities(&text, &entities)?;
    let reply_to = match reply_to_message_id.as_str() {
        "" => None,
        id => Some(parse_id("reply_to_message_id", id)?),
    };
    Ok((chat_id, client_message_id, ScheduledContent { text, entities, media_ids, reply_to, is_silent }))
}

/// A text, which may be empty beside attachments.
pub(super) fn read_text(text: String, has_attachments: bool) -> Result<MessageText, InvalidField> {
    let parse = if has_attachments { MessageText::parse_caption } else { MessageText::parse };
    parse(text).map_err(|violation| invalid("text", violation))
}

/// As exact as the database keeps it.
pub(super) fn to_micros(at: OffsetDateTime) -> OffsetDateTime {
    at - time::Duration::nanoseconds((at.nanosecond() % 1_000).into())
}

pub(super) fn count(outcome: &'static str) {
    metrics::counter!("godwit_message_scheduled_total", "outcome" => outcome).increment(1);
}
