use bytes::Bytes;
use godwit_kernel::{ChatId, EventId, UserId};

use super::App;
use crate::domain::{Change, Entry, Membership, MembershipVersion, NewEvent, Outcome, Placed};
use crate::error::Error;
use crate::events::outgoing;

/// A change that another service has committed.
#[derive(Clone, Debug)]
pub struct AppendUpdate {
    /// Appended once, however often it is asked for.
    pub event_id: EventId,
    /// Whose log.
    pub chat_id: ChatId,
    /// The version of the member list after it.
    pub membership_version: MembershipVersion,
    /// Actor and change, encoded.
    pub partial_update: Bytes,
    /// Users who are told on their own.
    pub announced_to: Vec<UserId>,
    /// What it means for who stands where in the log.
    pub membership: Membership,
}

impl App {
    /// Appends a change to its chat's log, which begins with its first one. Again for the same event: the first place. Who
    /// has left by it gets no live event of the chat when this has returned.
    ///
    /// # Errors
    /// Those of the appender.
    #[tracing::instrument(
        name = "message.append_update",
        skip_all,
        fields(chat.id = %update.chat_id, event.id = %update.event_id),
        err(level = "debug")
    )]
    pub async fn append_update(&self, update: AppendUpdate) -> Result<Placed, Error> {
        let AppendUpdate { event_id, chat_id, membership_version, partial_update, announced_to, membership } = update;
        let left = membership.left.clone();
        let event = NewEvent { event_id, membership_version, partial_update, announced_to, membership };
        let entry = Entry { chat_id, headers: outgoing::current_headers(), change: Change::Event(event) };
        let (outcome, published) = self.appenders.enqueue(entry)?.outcome_and_publication().await?;
        match outcome {
            Outcome::Appended(placed) => {
                published.taken().await;
                Ok(placed)
            }
            Outcome::Repeated(placed) => {
                // Whoever appended it may have died before it was published.
                self.publish_gone(chat_id, &left).await?;
                Ok(placed)
            }
            // Only what people do depends on a policy, and an event makes the log that it needs.
            _ => Err(Error::LogNotReady),
        }
    }
}
