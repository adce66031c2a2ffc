use std::sync::Arc;

use super::App;
use crate::error::Error;
use crate::push_service::VapidKey;
use crate::store;

impl App {
    /// The key of this deployment; made and kept at the first call if the configuration names none.
    ///
    /// # Errors
    /// The database's, or that what it keeps is no key.
    pub async fn vapid_key(&self) -> Result<Arc<VapidKey>, Error> {
        let load = || async {
            let candidate = VapidKey::generate(&*self.entropy);
            let mut conn = self.pool.get().await?;
            let kept = store::keep_vapid_key(&mut conn, &candidate, self.clock.now()).await?;
            Ok::<_, Error>(Arc::new(VapidKey::from_bytes(&kept)?))
        };
        self.vapid.get_or_try_init(load).await.cloned()
    }
}
