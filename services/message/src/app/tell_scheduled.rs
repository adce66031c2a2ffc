use super::{App, AppendUpdate};
use crate::domain::{Membership, MembershipVersion, own_log};
use crate::error::Error;
use crate::store::{self, UntoldChange};
use crate::wire::scheduled_changed;

/// Changes that are told in one round.
const ROUND: i64 = 100;

impl App {
    /// Tells a person's devices of a change of what they have scheduled. When it cannot be told now, a worker does.
    pub async fn tell_scheduled_soon(&self, change: UntoldChange) {
        if let Err(error) = self.tell_scheduled(change).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a change of what is scheduled is told later");
        }
    }

    /// Tells of the changes that whoever made them did not come to tell; whether there may be more.
    ///
    /// One that cannot be told now is tried again in half a minute, and holds up no other.
    ///
    /// # Errors
    /// When the database does.
    pub async fn tell_untold_scheduled(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let untold = store::untold_changes(&mut conn, ROUND).await?;
        drop(conn);
        let is_full = i64::try_from(untold.len()).is_ok_and(|count| count == ROUND);
        for change in untold {
            if let Err(error) = self.tell_scheduled(change).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a change of what is scheduled waits");
                let mut conn = self.pool.get().await?;
                store::tell_later(&mut conn, change).await?;
            }
        }
        Ok(is_full)
    }

    /// Appends it to the log of the person's Saved Messages, which begins with the chat.
    async fn tell_scheduled(&self, change: UntoldChange) -> Result<(), Error> {
        let own = own_log(change.sender_id);
        let mut conn = self.pool.get().await?;
        let has_log = !store::heads(&mut conn, &[own]).await?.is_empty();
        drop(conn);
        if !has_log {
            self.chats.open_saved_messages(change.sender_id).await.map_err(Error::Chats)?;
        }
        self.append_update(AppendUpdate {
            event_id: change.event_id,
            chat_id: own,
            membership_version: MembershipVersion::default(),
            partial_update: scheduled_changed(change.sender_id, change.chat_id),
            announced_to: Vec::new(),
            membership: Membership::default(),
        })
        .await?;
        let mut conn = self.pool.get().await?;
        Ok(store::change_told(&mut conn, change).await?)
    }

    /// Forgets what was sent or deleted long ago.
    ///
    /// # Errors
    /// When the database does.
    pub async fn forget_ended_scheduled(&self) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let forgotten = store::forget_ended(&mut conn, ROUND * 10).await?;
        metrics::counter!("godwit_message_scheduled_forgotten_total").increment(forgotten as u64);
        Ok(())
    }
}
