use super::App;
use crate::Error;
use crate::domain::Revocation;

impl App {
    /// The sessions that are over though access tokens of theirs may still be within their life.
    #[tracing::instrument(name = "auth.list_revocations", skip_all)]
    pub async fn list_revocations(&self) -> Result<Vec<Revocation>, Error> {
        Ok(self.store.revocations(self.clock.now()).await?)
    }
}
