use futures_util::{StreamExt as _, stream};
use godwit_kernel::ChatId;

use super::App;
use crate::domain::PendingUpdate;
use crate::error::{Error, is_passing};
use crate::events::outgoing;
use crate::store::{self, Backlog};

/// Updates whose append is repeated at once, and how many chats at the same time.
const CLAIM_MAX: u32 = 200;
const PARALLEL_CHATS: usize = 8;

impl App {
    /// Has a chat's log take what is pending for it, oldest first, and moves the gateways' interest. A change is forgotten
    /// only when both are done, and the next is taken only then, so the log has them in order however many deliver.
    ///
    /// # Errors
    /// [`Error::NotReady`] when the message service does not answer; what is pending stays.
    pub async fn deliver_updates(&self, chat_id: ChatId) -> Result<(), Error> {
        loop {
            let mut conn = self.pool.get().await?;
            let Some(pending) = store::next_pending_update(&mut conn, chat_id).await? else {
                return Ok(());
            };
            drop(conn);
            let outcome = self.deliver(&pending).await.inspect_err(|_| count("failed"))?;
            let mut conn = self.pool.get().await?;
            store::remove_pending_update(&mut conn, pending.event_id).await?;
            count(outcome);
        }
    }

    async fn deliver(&self, pending: &PendingUpdate) -> Result<&'static str, Error> {
        let chat_id = pending.chat_id;
        let Some(payload) = pending.payload.clone() else {
            self.logs.raise_version(chat_id, pending.membership_version).await.map_err(refusal)?;
            return Ok("raised");
        };
        let request = outgoing::append_request(pending, payload)?;
        let interest = request.update.as_ref().map(|update| outgoing::interest_moves(chat_id, update));
        self.logs.append(chat_id, request).await.map_err(refusal)?;
        self.move_interest(interest.unwrap_or_default()).await;
        Ok("appended")
    }

    /// Repeats the appends that are due, and tells whether there may be more to do at once.
    ///
    /// # Errors
    /// When the database does. An append that fails is due again later.
    pub async fn deliver_due_updates(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let chats = store::claim_pending_updates(&mut conn, self.clock.now(), CLAIM_MAX).await?;
        drop(conn);
        let may_have_more = chats.len() >= usize::try_from(CLAIM_MAX).unwrap_or(usize::MAX);
        stream::iter(chats)
            .for_each_concurrent(PARALLEL_CHATS, |chat_id| async move {
                match self.deliver_updates(chat_id).await {
                    Ok(()) => {}
                    Err(error @ (Error::UpdateRefused(_) | Error::Damaged(_))) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, chat.id = %chat_id, "an update can never be appended");
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, chat.id = %chat_id, "an update could not be appended");
                    }
                }
            })
            .await;
        Ok(may_have_more)
    }

    /// How much waits to be appended.
    ///
    /// # Errors
    /// When the database does.
    pub async fn pending_backlog(&self) -> Result<Backlog, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::backlog(&mut conn, self.clock.now()).await?)
    }

    /// A gateway that misses this learns of the chat when its link to live is back, or by the user's next sync.
    async fn move_interest(&self, moves: Vec<(godwit_live::Channel, bytes::Bytes)>) {
        if moves.is_empty() {
            return;
        }
        if let Err(error) = self.live.publish(moves).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "gateways were not told of a new member");
        }
    }
}

fn refusal(status: tonic::Status) -> Error {
    if is_passing(&status) { Error::NotReady(status) } else { Error::UpdateRefused(status) }
}

fn count(outcome: &'static str) {
    metrics::counter!("godwit_chat_updates_total", "outcome" => outcome).increment(1);
}
