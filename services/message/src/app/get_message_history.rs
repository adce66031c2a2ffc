use godwit_kernel::{MessageId, UserId};

use super::App;
use crate::domain::Version;
use crate::error::Error;
use crate::store;

impl App {
    /// All versions of a message, the oldest first, for members of its chat.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], also for who is not a member.
    #[tracing::instrument(name = "message.get_message_history", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn get_message_history(&self, caller: UserId, id: MessageId) -> Result<Vec<Version>, Error> {
        let mut conn = self.pool.get().await?;
        let mut versions = store::versions(&mut conn, id).await?;
        drop(conn);
        // After them: who sees the message now sees what it said before, and of a deleted one there is nothing.
        let message = self.get_message(caller, id).await?;
        versions.push(Version {
            entities: message.entities().to_vec(),
            written_at: message.edit.map_or(message.sent_at, |edit| edit.edited_at),
            text: message.text,
        });
        Ok(versions)
    }
}
