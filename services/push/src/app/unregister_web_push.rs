use godwit_kernel::DeviceId;

use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Forgets the subscription of a device, if it has one; nothing more is sent there.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.unregister_web_push", skip_all, err(level = "debug"))]
    pub async fn unregister_web_push(&self, device: DeviceId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_of_device(&mut conn, device).await?;
        metrics::counter!("godwit_push_subscriptions_total", "change" => "unregistered").increment(count as u64);
        Ok(())
    }
}
