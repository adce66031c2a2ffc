use godwit_contract::v1 as pb;
use godwit_kernel::{EventId, UserId};
use time::OffsetDateTime;

use super::App;
use super::compose::{invalid, read_entities};
use super::schedule_message::{count, read_text, to_micros};
use crate::domain::{Scheduled, ScheduledId, check_send_at};
use crate::error::Error;
use crate::store::{self, ChangeOutcome, UntoldChange};

/// What changes of a scheduled message; the rest stays.
#[derive(Clone)]
pub struct UpdateScheduled {
    /// Which one.
    pub id: ScheduledId,
    /// What it will say; with it its parts change too.
    pub text: Option<(String, Vec<pb::MessageEntity>)>,
    /// When it is sent.
    pub send_at: Option<OffsetDateTime>,
    /// Whether recipients are not alerted.
    pub is_silent: Option<bool>,
}

impl App {
    /// Changes a message that is not sent yet; one that failed is tried again when it is due. A message is either sent as
    /// it was or changed, never both.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::ScheduledNotFound`]; [`Error::ScheduledBeingSent`]; the database's.
    #[tracing::instrument(name = "message.update_scheduled", skip_all, err(level = "debug"))]
    pub async fn update_scheduled(&self, caller: UserId, update: UpdateScheduled) -> Result<Scheduled, Error> {
        let event_id = EventId::generate(&*self.clock, &*self.entropy);
        let id = update.id;
        let mut conn = self.pool.get().await?;
        let outcome =
            store::change_scheduled(&mut conn, (id, caller), event_id, |before, now| update.apply(before, now));
        let outcome = outcome.await?;
        drop(conn);
        match outcome? {
            ChangeOutcome::Changed(scheduled) => {
                count("changed");
                let chat_id = scheduled.chat_id;
                self.tell_scheduled_soon(UntoldChange { sender_id: caller, chat_id, event_id }).await;
                Ok(scheduled)
            }
            ChangeOutcome::NotFound => Err(Error::ScheduledNotFound),
            ChangeOutcome::BeingSent => Err(Error::ScheduledBeingSent),
        }
    }
}

impl UpdateScheduled {
    fn apply(self, before: Scheduled, now: OffsetDateTime) -> Result<Scheduled, Error> {
        let Self { text, send_at, is_silent, .. } = self;
        let mut after = before;
        if let Some((text, entities)) = text {
            after.content.text = read_text(text, !after.content.media_ids.is_empty())?;
            after.content.entities = read_entities(&after.content.text, &entities)?;
        }
        if let Some(send_at) = send_at {
            check_send_at(send_at, now).map_err(|violation| invalid("send_at", violation))?;
            after.send_at = to_micros(send_at);
        }
        after.content.is_silent = is_silent.unwrap_or(after.content.is_silent);
        Ok(after)
    }
}
