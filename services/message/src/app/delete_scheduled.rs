use godwit_kernel::{EventId, UserId};

use super::App;
use super::schedule_message::count;
use crate::domain::ScheduledId;
use crate::error::Error;
use crate::store::{self, ChangeOutcome, UntoldChange};

impl App {
    /// Deletes a message that is not sent yet. It is either sent or deleted, never both.
    ///
    /// # Errors
    /// [`Error::ScheduledNotFound`]; [`Error::ScheduledBeingSent`]; the database's.
    #[tracing::instrument(name = "message.delete_scheduled", skip_all, err(level = "debug"))]
    pub async fn delete_scheduled(&self, caller: UserId, id: ScheduledId) -> Result<(), Error> {
        let event_id = EventId::generate(&*self.clock, &*self.entropy);
        let mut conn = self.pool.get().await?;
        let outcome = store::delete_scheduled(&mut conn, (id, caller), event_id).await?;
        drop(conn);
        match outcome {
            ChangeOutcome::Changed(chat_id) => {
                count("deleted");
                self.tell_scheduled_soon(UntoldChange { sender_id: caller, chat_id, event_id }).await;
                Ok(())
            }
            ChangeOutcome::NotFound => Err(Error::ScheduledNotFound),
            ChangeOutcome::BeingSent => Err(Error::ScheduledBeingSent),
        }
    }

    /// Forgets all that somebody has scheduled who deleted their account.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "message.forget_scheduled", skip_all, err(level = "debug"))]
    pub async fn forget_scheduled(&self, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let forgotten = store::forget_scheduled_of(&mut conn, user_id).await?;
        metrics::counter!("godwit_message_scheduled_forgotten_total").increment(forgotten as u64);
        Ok(())
    }
}
