use godwit_kernel::{DeviceId, UserId};

use super::App;
use crate::error::Error;

impl App {
    /// The devices that these users have in front of them.
    ///
    /// # Errors
    /// When live does not answer.
    #[tracing::instrument(name = "presence.list_foreground_devices", skip_all, err(level = "debug"))]
    pub async fn list_foreground_devices(&self, users: &[UserId]) -> Result<Vec<DeviceId>, Error> {
        Ok(self.roster.foreground(users).await?)
    }
}
