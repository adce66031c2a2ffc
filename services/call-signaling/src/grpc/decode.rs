use std::str::FromStr;

use godwit_contract::call::v1::{CallDirection, ListCallHistoryRequest};
use godwit_contract::v1;
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, page_size};
use godwit_rpc::{InvalidField, parse_id};

use crate::domain::{Direction, HistoryQuery, Media};

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

/// Which calls the caller wants to see.
pub(super) fn decode_history_query(request: ListCallHistoryRequest) -> Result<HistoryQuery, InvalidField> {
    let direction = match CallDirection::try_from(request.direction) {
        Ok(CallDirection::Unspecified) => None,
        Ok(CallDirection::Made) => Some(Direction::Made),
        Ok(CallDirection::Received) => Some(Direction::Received),
        Err(_) => return Err(InvalidField::new("direction", "must be CALL_DIRECTION_MADE or CALL_DIRECTION_RECEIVED")),
    };
    Ok(HistoryQuery {
        peer_id: optional_id("peer_id", &request.peer_id)?,
        direction,
        media: if request.media == 0 { None } else { Some(decode_media(request.media)?) },
        is_missed_only: request.missed_only,
        after: optional_id("cursor", &request.cursor)?,
        limit: i64::from(page_size(request.limit, PAGE_DEFAULT, PAGE_MAX)),
    })
}

fn optional_id<T: FromStr>(field: &'static str, text: &str) -> Result<Option<T>, InvalidField> {
    if text.is_empty() { Ok(None) } else { parse_id(field, text).map(Some) }
}
