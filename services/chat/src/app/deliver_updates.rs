use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_live::Channel;

use super::App;
use super::changes::saved_chat_of;
use crate::domain::PendingUpdate;
use crate::error::{Error, is_passing};
use crate::events::outgoing;
use crate::store::{self, Backlog, Claimed};

/// Updates whose append is repeated at once, and how many chats at the same time.
const CLAIM_MAX: u32 = 200;
const PARALLEL_CHATS: usize = 8;
/// The most people who come or go in one call to the message service; so many raises go together at most.
const RAISE_MAX: usize = 200;

impl App {
    /// Has a chat's log take what is pending for it, oldest first, and moves the gateways' interest. A change is forgotten
    /// only when both are done, and the next is taken only then, so the log has them in order however many deliver.
    ///
    /// # Errors
    /// [`Error::NotReady`] when the message service does not answer; what is pending stays.
    pub async fn deliver_updates(&self, chat_id: ChatId) -> Result<(), Error> {
        let _turn = self.turns.take(chat_id).await;
        loop {
            let mut conn = self.pool.get().await?;
            let mut pending = store::next_pending_updates(&mut conn, chat_id, 1).await?;
            if pending.first().is_some_and(|oldest| oldest.payload.is_none()) {
                // Only raises go together. Of what is appended, which may be large, one is read at a time.
                let limit = u32::try_from(RAISE_MAX).unwrap_or(u32::MAX);
                pending = store::next_pending_updates(&mut conn, chat_id, limit).await?;
            }
            drop(conn);
            let Some((next, event_ids)) = next_delivery(pending) else {
                return Ok(());
            };
            let outcome = self.deliver(&next).await.inspect_err(|_| count("failed"))?;
            let mut conn = self.pool.get().await?;
            store::remove_pending_updates(&mut conn, &event_ids).await?;
            count(outcome);
        }
    }

    /// Has the own logs of some people take what is pending for them. Nobody waits for that: what fails is repeated by the
    /// worker.
    pub(super) async fn deliver_privately(&self, user_ids: &[UserId]) {
        stream::iter(user_ids)
            .for_each_concurrent(PARALLEL_CHATS, |user_id| async move {
                if let Err(error) = self.deliver_updates(saved_chat_of(*user_id)).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a private update is left to the worker");
                }
            })
            .await;
    }

    async fn deliver(&self, pending: &PendingUpdate) -> Result<&'static str, Error> {
        let chat_id = pending.chat_id;
        let Some(payload) = pending.payload.clone() else {
            self.logs.raise_version(chat_id, outgoing::raise_request(pending)).await.map_err(refusal)?;
            self.publish_moves(outgoing::interest_moves_of_raise(pending)).await;
            return Ok("raised");
        };
        let request = outgoing::append_request(pending, payload)?;
        let interest = request.update.as_ref().map(|update| outgoing::interest_moves(chat_id, update));
        self.logs.append(chat_id, request).await.map_err(refusal)?;
        self.publish_moves(interest.unwrap_or_default()).await;
        Ok("appended")
    }

    /// Repeats the appends that are due, and tells whether there may be more to do at once.
    ///
    /// # Errors
    /// When the database does. An append that fails is due again later.
    pub async fn deliver_due_updates(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let Claimed { chats, update_count } =
            store::claim_pending_updates(&mut conn, self.clock.now(), CLAIM_MAX).await?;
        drop(conn);
        let may_have_more = update_count >= u64::from(CLAIM_MAX);
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

    /// Moves what gateways follow. What live does not take they find out when they are told that something was lost.
    async fn publish_moves(&self, moves: Vec<(Channel, Bytes)>) {
        if self.publish(moves).await.is_err() {
            self.losses.note();
        }
    }

    /// Tells what is worth nothing later, or is told again.
    pub(super) async fn publish(&self, moves: Vec<(Channel, Bytes)>) -> Result<(), godwit_live::Error> {
        if moves.is_empty() {
            return Ok(());
        }
        self.live.publish(moves).await.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "gateways were not told of a change");
        })
    }
}

/// The oldest of what is pending, and what it stands for: raises that follow each other go together, while nobody comes
/// and goes in them.
fn next_delivery(pending: Vec<PendingUpdate>) -> Option<(PendingUpdate, Vec<EventId>)> {
    let mut pending = pending.into_iter();
    let mut next = pending.next()?;
    let mut event_ids = vec![next.event_id];
    if next.payload.is_some() {
        return Some((next, event_ids));
    }
    let mut seen: HashSet<UserId> = next.joined.iter().chain(&next.left).copied().collect();
    for raise in pending {
        let people = raise.joined.len() + raise.left.len();
        if raise.payload.is_some() || seen.len() + people > RAISE_MAX {
            break;
        }
        if !raise.joined.iter().chain(&raise.left).all(|user_id| seen.insert(*user_id)) {
            break;
        }
        next.membership_version = next.membership_version.max(raise.membership_version);
        next.joined.extend(raise.joined);
        next.left.extend(raise.left);
        event_ids.push(raise.event_id);
    }
    Some((next, event_ids))
}

fn refusal(status: tonic::Status) -> Error {
    if is_passing(&status) { Error::NotReady(status) } else { Error::UpdateRefused(status) }
}

fn count(outcome: &'static str) {
    metrics::counter!("godwit_chat_updates_total", "outcome" => outcome).increment(1);
}
