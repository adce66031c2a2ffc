use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::UserId;
use godwit_rpc::Access;

use super::App;
use crate::domain::Presence;
use crate::error::Error;

impl App {
    /// The presence of a user, for themselves and for whom their privacy and blocks let see it; for everybody else it is
    /// unknown.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such user; when auth or the database does not answer. While live does not,
    /// presence is unknown, and that is no error.
    #[tracing::instrument(name = "presence.get_presence", skip_all, err(level = "debug"))]
    pub async fn get_presence(&self, caller: UserId, user_id: UserId) -> Result<Presence, Error> {
        if caller != user_id {
            match self.access.check(AccessAction::SeePresence, caller, user_id).await? {
                Access::Allowed => {}
                Access::UserNotFound => return Err(Error::NotFound),
                Access::Blocked | Access::Private => {
                    metrics::counter!("godwit_presence_answers_total", "status" => "hidden").increment(1);
                    return Ok(Presence::Unknown);
                }
            }
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
