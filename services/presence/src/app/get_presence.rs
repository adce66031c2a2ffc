use godwit_kernel::UserId;

use super::App;
use crate::domain::Presence;
use crate::error::Error;

impl App {
    /// The presence of a user, for themselves and for those who share a direct chat with them.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else; when the chat service or the database does not answer. While live does
    /// not, presence is unknown, and that is no error.
    #[tracing::instrument(name = "presence.get_presence", skip_all, err(level = "debug"))]
    pub async fn get_presence(&self, caller: UserId, user_id: UserId) -> Result<Presence, Error> {
        if caller != user_id && !self.chats.are_direct_peers(caller, user_id).await? {
            return Err(Error::NotFound);
        }
        let presence = self.presence_of(user_id).await?;
        metrics::counter!("godwit_presence_answers_total", "status" => status_label(presence)).increment(1);
        Ok(presence)
    }
}

pub(super) const fn status_label(presence: Presence) -> &'static str {
    match presence {
        Presence::Unknown => "unknown",
        Presence::Online => "online",
        Presence::Offline { .. } => "offline",
    }
}
