use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::error::Error;
use crate::store::{self, LogPresence, Raise};

impl App {
    /// Raises the version of a chat's member list, never lowers it, and takes members in and out. A message that is appended
    /// after this returns was permitted by a policy of that version or a later one, and who has left gets no live event of
    /// the chat. A chat without a log is left alone: its first update brings a version.
    ///
    /// # Errors
    /// [`Error::LogNotReady`] when somebody joins a chat without a log; when the database does.
    #[tracing::instrument(name = "message.raise_membership_version", skip_all, fields(chat.id = %raise.chat_id), err(level = "debug"))]
    pub async fn raise_membership_version(&self, raise: Raise) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let log = store::raise_membership_version(&mut conn, &raise).await?;
        drop(conn);
        if log == LogPresence::Absent && !raise.joined.is_empty() {
            return Err(Error::LogNotReady);
        }
        self.publish_gone(raise.chat_id, &raise.left).await
    }

    /// Has it told that these are no members any more, as far as they are none: word of a leave can come again when they are
    /// back. On return live has taken it, or is down.
    pub(super) async fn publish_gone(&self, chat_id: ChatId, left: &[UserId]) -> Result<(), Error> {
        if left.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.get().await?;
        let back = store::members_among(&mut conn, chat_id, left).await?;
        drop(conn);
        let gone: Vec<UserId> = left.iter().copied().filter(|user_id| !back.contains(user_id)).collect();
        self.publisher.publish_left(chat_id, &gone).taken().await;
        Ok(())
    }
}
