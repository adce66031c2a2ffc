use godwit_kernel::DeviceId;

use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Forgets the Web Push subscription of a device, if it has one; nothing more is sent there.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.unregister_web_push", skip_all, err(level = "debug"))]
    pub async fn unregister_web_push(&self, device: DeviceId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_subscription(&mut conn, device).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "unregistered").increment(count as u64);
        Ok(())
    }

    /// Forgets the tokens of a device; nothing more is sent there.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.unregister_push_token", skip_all, err(level = "debug"))]
    pub async fn unregister_push_token(&self, device: DeviceId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_tokens(&mut conn, device).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "unregistered").increment(count as u64);
        Ok(())
    }
}
