use godwit_contract::v1;
use godwit_rpc::InvalidField;

use crate::domain::Media;

/// What the caller wants to send.
pub(super) fn decode_media(number: i32) -> Result<Media, InvalidField> {
    match v1::CallMedia::try_from(number) {
        Ok(v1::CallMedia::Voice) => Ok(Media::Voice),
        Ok(v1::CallMedia::Video) => Ok(Media::Video),
        Ok(v1::CallMedia::Unspecified) | Err(_) => {
            Err(InvalidField::new("media", "must be CALL_MEDIA_VOICE or CALL_MEDIA_VIDEO"))
        }
    }
}
