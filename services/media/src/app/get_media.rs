use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{MediaId, UserId};
use godwit_rpc::Access;

use super::App;
use crate::domain::{Audience, Media};
use crate::error::Error;

impl App {
    /// The record of an upload of the caller, or of an avatar that they may see.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else and when it was given up; [`Error::Access`]; the database's.
    #[tracing::instrument(name = "media.get_media", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_media(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let media = self.find(id).await?.ok_or(Error::NotFound)?;
        if media.is_expired_at(self.clock.now()) || !self.may_see(caller, &media).await? {
            return Err(Error::NotFound);
        }
        Ok(media)
    }

    /// Asked of auth each time: a block or another privacy holds at once.
    async fn may_see(&self, caller: UserId, media: &Media) -> Result<bool, Error> {
        if media.is_of(caller) {
            return Ok(true);
        }
        match media.audience {
            Audience::Owner => Ok(false),
            Audience::AvatarViewers => {
                let answer = self.access.check(AccessAction::SeeAvatar, caller, media.owner_id).await;
                Ok(answer.map_err(|status| Error::Access(Box::new(status)))? == Access::Allowed)
            }
        }
    }
}
