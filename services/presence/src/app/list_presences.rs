use std::collections::HashMap;

use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::UserId;
use godwit_rpc::Access;

use super::App;
use crate::domain::Presence;
use crate::error::Error;
use crate::store;

impl App {
    /// The presences of some users as `viewer` may see them, in their order; unknown for whom they may not.
    ///
    /// # Errors
    /// When auth or the database does not answer. While live does not, presence is unknown, and that is no error.
    #[tracing::instrument(name = "presence.list_presences", skip_all, err(level = "debug"))]
    pub async fn list_presences(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<Presence>, Error> {
        let visible = self.visible_to(viewer, users).await?;
        let known = self.presences_of(&visible).await?;
        Ok(users.iter().map(|user_id| known.get(user_id).copied().unwrap_or(Presence::Unknown)).collect())
    }

    async fn visible_to(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<UserId>, Error> {
        let pairs: Vec<_> = users.iter().filter(|user| **user != viewer).map(|user| (viewer, *user)).collect();
        let answers = self.access.check_all(AccessAction::SeePresence, &pairs).await?;
        let others = pairs.iter().zip(answers).filter(|(_, access)| *access == Access::Allowed).map(|(pair, _)| pair.1);
        Ok(others.chain(users.iter().copied().filter(|user| *user == viewer)).collect())
    }

    /// The presences of these users, whoever asks.
    async fn presences_of(&self, users: &[UserId]) -> Result<HashMap<UserId, Presence>, Error> {
        let online = match self.roster.online_among(users).await {
            Ok(online) => online,
            Err(error) if error.is_unavailable() => return Ok(HashMap::new()),
            Err(error) => return Err(error.into()),
        };
        let offline: Vec<UserId> = users.iter().copied().filter(|user| !online.contains(user)).collect();
        let mut presences: HashMap<UserId, Presence> =
            online.into_iter().map(|user| (user, Presence::Online)).collect();
        if !offline.is_empty() {
            let mut seen = store::last_seen_of(&mut *self.pool.get().await?, &offline).await?;
            let offline =
                offline.into_iter().map(|user| (user, Presence::Offline { last_seen_at: seen.remove(&user) }));
            presences.extend(offline);
        }
        Ok(presences)
    }
}
