use godwit_kernel::ChatId;

use super::App;
use crate::domain::MembershipVersion;
use crate::error::Error;
use crate::store;

impl App {
    /// Raises the version of a chat's member list to `version`, never lowers it. A message that is appended after this
    /// returns was permitted by a policy of that version or a later one. A chat without a log is left alone: its first
    /// update brings a version.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.raise_membership_version", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn raise_membership_version(&self, chat_id: ChatId, version: MembershipVersion) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::raise_membership_version(&mut conn, chat_id, version).await?)
    }
}
