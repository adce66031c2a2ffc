use godwit_kernel::{MediaId, UserId};

use super::App;
use crate::domain::{Kind, State};
use crate::error::Error;
use crate::store;

impl App {
    /// Makes an image that the user uploaded their avatar: others may fetch it from now on, and the one before no more.
    /// Without an id the user has none. Again for the same image: the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is no finished upload of the user; [`Error::NoImage`]; the database's.
    #[tracing::instrument(name = "media.set_avatar", skip_all, err(level = "debug"))]
    pub async fn set_avatar(&self, owner: UserId, new: Option<MediaId>) -> Result<(), Error> {
        if let Some(id) = new {
            let media = self.owned(owner, id).await?;
            if media.state != State::Ready {
                return Err(Error::NotFound);
            }
            // A picture that was sent as a document was left as it is, with all that its camera wrote into it.
            if media.kind != Kind::Image || !media.content_type.is_image() {
                return Err(Error::NoImage);
            }
        }
        let mut conn = self.pool.get().await?;
        if !store::set_avatar(&mut conn, owner, new, self.clock.now() + self.unused_ttl).await? {
            return Err(Error::NotFound);
        }
        metrics::counter!("godwit_media_avatars_total", "change" => if new.is_some() { "set" } else { "removed" })
            .increment(1);
        Ok(())
    }
}
