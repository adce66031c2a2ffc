use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _};
use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{ChatId, MessageId, UserId};
use godwit_rpc::{Access, InvalidField, ServiceError as _};

use super::App;
use super::act::hide_chat;
use super::compose::SendCopy;
use crate::domain::{FORWARD_BYTES_MAX, Forward, Message, Source};
use crate::error::Error;

/// Messages that are read at once, and chats that are written to at once.
const PARALLEL_MAX: usize = 8;

/// What became of a forward in one chat.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// Which.
    pub chat_id: ChatId,
    /// The copies that are committed, in their order.
    pub messages: Vec<Message>,
    /// Why there are no more, as a reason of the REST errors.
    pub failure: Option<&'static str>,
}

impl App {
    /// Sends copies of messages, each with where the first of them came from. All of them must be there and for the caller
    /// to see, else nothing is sent; in each chat the copies go in their order until one is refused. Each copy has a name
    /// of its own, so asking again makes none twice.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::Invalid`] when the copies are too many bytes; those of other services and the database.
    #[tracing::instrument(
        name = "message.forward_messages",
        skip_all,
        fields(messages = forward.message_ids.len(), chats = forward.chat_ids.len()),
        err(level = "debug")
    )]
    pub async fn forward_messages(&self, caller: UserId, forward: Forward) -> Result<Vec<Forwarded>, Error> {
        let mut sources: Vec<Source> = futures_util::stream::iter(forward.message_ids.clone())
            .map(|id| self.source(caller, id))
            .buffered(PARALLEL_MAX)
            .try_collect()
            .await?;
        let copy_bytes: usize = sources.iter().map(Source::size_bytes).sum();
        if copy_bytes * forward.chat_ids.len() > FORWARD_BYTES_MAX {
            return Err(InvalidField::new("message_ids", "the copies must have at most 16 MiB together").into());
        }
        self.hide_senders(caller, &mut sources).await?;
        let copies = futures_util::stream::iter(forward.chat_ids.clone())
            .map(|chat_id| self.copy_to(caller, chat_id, &forward, &sources));
        Ok(copies.buffered(PARALLEL_MAX).collect().await)
    }

    async fn source(&self, caller: UserId, id: MessageId) -> Result<Source, Error> {
        let message = self.get_message(caller, id).await?;
        let policy = self.policies.get(id.chat_id, caller).await.map_err(hide_chat)?;
        Ok(Source::of(message, &policy))
    }

    /// Leaves away the names of those who do not want to be named to the caller.
    async fn hide_senders(&self, caller: UserId, sources: &mut [Source]) -> Result<(), Error> {
        let named: HashSet<UserId> = sources.iter().filter_map(Source::named).collect();
        let named: Vec<UserId> = named.into_iter().collect();
        if named.is_empty() {
            return Ok(());
        }
        let pairs: Vec<(UserId, UserId)> = named.iter().map(|target| (caller, *target)).collect();
        let answers = self.access.check_all(AccessAction::NameInForward, &pairs).await.map_err(Error::Access)?;
        let answers: HashMap<UserId, Access> = named.into_iter().zip(answers).collect();
        for source in sources {
            if source.named().is_some_and(|sender| answers.get(&sender) != Some(&Access::Allowed)) {
                source.hide_sender();
            }
        }
        Ok(())
    }

    async fn copy_to(&self, caller: UserId, chat_id: ChatId, forward: &Forward, sources: &[Source]) -> Forwarded {
        let mut forwarded = Forwarded { chat_id, messages: Vec::with_capacity(sources.len()), failure: None };
        for (place, source) in sources.iter().enumerate() {
            let copy = SendCopy {
                chat_id,
                client_message_id: forward.client_forward_id.client_message_id(place),
                text: source.message.text.clone(),
                extras: source.extras(forward.is_silent),
                source: source.id(),
            };
            match self.send_copy(caller, copy).await {
                Ok(message) => forwarded.messages.push(message),
                Err(error) => {
                    forwarded.failure = Some(error.reason());
                    break;
                }
            }
        }
        let copies = forwarded.messages.len() as u64;
        metrics::counter!("godwit_message_forwarded_total").increment(copies);
        forwarded
    }
}
