use godwit_kernel::{MediaId, UserId};
use tonic::{Code, Status};

use super::super::{App, count};
use crate::Error;
use crate::domain::User;
use crate::domain::access::Refusal;
use crate::events::people::Teller;
use crate::store::AvatarOutcome;

/// How often a change is begun anew that met another one.
const TRIES: usize = 5;

impl App {
    /// Makes an image that the caller uploaded their avatar, or has them have none.
    #[tracing::instrument(name = "auth.set_avatar", skip_all)]
    pub async fn set_avatar(&self, id: UserId, avatar_id: Option<MediaId>) -> Result<User, Error> {
        let result = self.try_set_avatar(id, avatar_id).await;
        count("godwit_auth_avatar_changes_total", &result);
        result
    }

    /// The media service is told first, and the avatar changed only if it is what it was before that: of changes at
    /// once, the one that stands here is the one that the media service heard last.
    async fn try_set_avatar(&self, id: UserId, avatar_id: Option<MediaId>) -> Result<User, Error> {
        let now = self.clock.now();
        let teller = Teller { at: now, clock: &*self.clock, entropy: &*self.entropy };
        for _ in 0..TRIES {
            let account = self.store.own_account(id).await?.ok_or(Refusal::UserNotFound)?;
            self.media.set_avatar(id, avatar_id).await.map_err(refusal)?;
            let expected = account.user.avatar_id;
            match self.store.change_avatar(id, expected, avatar_id, |user| teller.profile_changed(user)).await? {
                AvatarOutcome::Changed(user) => return Ok(user),
                AvatarOutcome::Moved => {}
                AvatarOutcome::NotFound => return Err(Refusal::UserNotFound.into()),
            }
        }
        Err(Error::AvatarChangedMeanwhile)
    }
}

fn refusal(status: Status) -> Error {
    match status.code() {
        Code::NotFound => Error::MediaNotFound,
        Code::FailedPrecondition => Error::MediaNotAnImage,
        _ => Error::MediaUnavailable(status),
    }
}
