use godwit_kernel::UserId;

use super::App;
use crate::domain::{NotificationSettings, Preview};
use crate::error::Error;
use crate::store;

impl App {
    /// What somebody's devices show.
    ///
    /// # Errors
    /// The database's.
    pub async fn notification_settings(&self, user_id: UserId) -> Result<NotificationSettings, Error> {
        let mut conn = self.pool.get().await?;
        let known = store::notification_settings(&mut conn, &[user_id]).await?;
        Ok(known.get(&user_id).copied().unwrap_or_default())
    }

    /// Changes what somebody's devices show, where something is given; returns what holds then, for all that is sent from
    /// now on.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.change_notification_settings", skip_all, err(level = "debug"))]
    pub async fn change_notification_settings(
        &self,
        user_id: UserId,
        preview: Option<Preview>,
        are_mentions_muted: Option<bool>,
    ) -> Result<NotificationSettings, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::change_settings(&mut conn, user_id, preview, are_mentions_muted).await?)
    }
}
