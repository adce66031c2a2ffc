use std::collections::HashMap;

use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::UserId;
use godwit_rpc::Access;

use super::App;
use crate::domain::{Presence, Reading};
use crate::error::Error;
use crate::store;

impl App {
    /// The presence of a user, for themselves and for whom their privacy and blocks let see it; for everybody else it is
    /// unknown.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such user; when auth or the database does not answer. While live does not,
    /// presence is unknown, and that is no error.
    #[tracing::instrument(name = "presence.get_presence", skip_all, err(level = "debug"))]
    pub async fn get_presence(&self, viewer: UserId, user_id: UserId) -> Result<Reading, Error> {
        let access = match viewer == user_id {
            true => Access::Allowed,
            false => self.access.check(AccessAction::SeePresence, viewer, user_id).await?,
        };
        let reading = match access {
            Access::Allowed => self.presence_of(user_id).await?,
            Access::UserNotFound => return Err(Error::NotFound),
            Access::Blocked | Access::Private => Reading { presence: Presence::Unknown, as_of: self.clock.now() },
        };
        count(access, reading.presence);
        Ok(reading)
    }

    /// The presences of some users as `viewer` may see them, in their order; unknown for those whom they may not see,
    /// and for those who do not exist.
    ///
    /// # Errors
    /// When auth or the database does not answer. While live does not, presence is unknown, and that is no error.
    #[tracing::instrument(name = "presence.list_presences", skip_all, err(level = "debug"))]
    pub async fn list_presences(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<Reading>, Error> {
        let pairs: Vec<_> = users.iter().map(|user| (viewer, *user)).collect();
        let others: Vec<_> = pairs.iter().copied().filter(|(viewer, user)| viewer != user).collect();
        let answers = self.access.check_all(AccessAction::SeePresence, &others).await?;
        let judged: HashMap<UserId, Access> = others.iter().map(|(_, user)| *user).zip(answers).collect();
        let access = |user: &UserId| if *user == viewer { Some(Access::Allowed) } else { judged.get(user).copied() };
        let visible: Vec<UserId> = users.iter().copied().filter(|user| access(user) == Some(Access::Allowed)).collect();
        let as_of = self.clock.now();
        let known = self.presences_of(&visible).await?;
        let reading = |user: &UserId| {
            let presence = known.get(user).copied().unwrap_or(Presence::Unknown);
            count(access(user).unwrap_or(Access::UserNotFound), presence);
            Reading { presence, as_of }
        };
        Ok(users.iter().map(reading).collect())
    }

    /// The presence of a user, whoever asks.
    pub(super) async fn presence_of(&self, user_id: UserId) -> Result<Reading, Error> {
        // Before anything is read: what happens meanwhile is told as of later.
        let as_of = self.clock.now();
        let known = self.presences_of(&[user_id]).await?;
        Ok(Reading { presence: known.get(&user_id).copied().unwrap_or(Presence::Unknown), as_of })
    }

    /// The presences of these users, whoever asks; none while live cannot be asked.
    async fn presences_of(&self, users: &[UserId]) -> Result<HashMap<UserId, Presence>, Error> {
        let connected = match self.roster.activities(users).await {
            Ok(connected) => connected,
            Err(error) if error.is_unavailable() => return Ok(HashMap::new()),
            Err(error) => return Err(error.into()),
        };
        let offline: Vec<UserId> = users.iter().copied().filter(|user| !connected.contains_key(user)).collect();
        let mut presences: HashMap<UserId, Presence> =
            connected.into_iter().map(|(user, activity)| (user, Presence::connected(activity))).collect();
        if !offline.is_empty() {
            let mut seen = store::last_seen_of(&mut *self.pool.get().await?, &offline).await?;
            presences
                .extend(offline.into_iter().map(|user| (user, Presence::Offline { last_seen_at: seen.remove(&user) })));
        }
        Ok(presences)
    }
}

fn count(access: Access, presence: Presence) {
    let status = if access == Access::Allowed { status_label(presence) } else { "hidden" };
    metrics::counter!("godwit_presence_answers_total", "status" => status).increment(1);
}

pub(super) const fn status_label(presence: Presence) -> &'static str {
    match presence {
        Presence::Unknown => "unknown",
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Offline { .. } => "offline",
    }
}
