use godwit_kernel::{MediaId, UserId};

use super::App;
use crate::domain::{Media, State};
use crate::error::Error;
use crate::store;

impl App {
    /// Gives up an upload that its owner does not go on with: its room is free again, and what came of it is removed at
    /// once, or by the worker when the object store is down. Again: the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner; [`Error::Completed`] when it is too late; the database's.
    #[tracing::instrument(name = "media.abort_upload", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn abort_upload(&self, caller: UserId, id: MediaId) -> Result<(), Error> {
        let media = self.owned(caller, id).await?;
        if !matches!(media.state, State::Pending | State::Expired) {
            return Err(Error::Completed);
        }
        let mut conn = self.pool.get().await?;
        let given_up = store::give_up(&mut conn, id, self.clock.now()).await?;
        drop(conn);
        if let Some(given_up) = given_up {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "aborted").increment(1);
            self.try_to_remove(&given_up).await;
        }
        Ok(())
    }

    /// Removes what was given up; what cannot be removed now is for the worker.
    async fn try_to_remove(&self, given_up: &Media) {
        if let Err(error) = self.remove(given_up).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "an upload is removed later");
        }
    }
}
