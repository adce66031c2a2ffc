use godwit_kernel::{MediaId, UserId};
use tonic::Code;

use super::super::App;
use crate::error::Error;

impl App {
    /// Only a finished image of the caller becomes the picture of a chat.
    pub(super) async fn check_avatar(&self, caller: UserId, avatar_id: MediaId) -> Result<(), Error> {
        match self.media.content_type(caller, avatar_id).await {
            Ok(content_type) if content_type.starts_with("image/") => Ok(()),
            Ok(_) => Err(Error::MediaNotAnImage),
            Err(status) if status.code() == Code::NotFound => Err(Error::MediaNotFound),
            Err(status) => Err(Error::Media(status)),
        }
    }
}
