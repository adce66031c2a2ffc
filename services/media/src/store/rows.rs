use diesel::prelude::*;
use godwit_kernel::{MediaId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::media;
use crate::domain::{Audience, ContentType, Details, FileName, Kind, Media, Rejection, Scan, State};

pub(super) const PENDING: &str = "pending";
pub(super) const PROCESSING: &str = "processing";
pub(super) const READY: &str = "ready";
pub(super) const REJECTED: &str = "rejected";
pub(super) const EXPIRED: &str = "expired";

/// A row of the table `media`, as it is read.
#[derive(Queryable, Selectable)]
#[diesel(table_name = media, check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    id: Uuid,
    owner_id: Uuid,
    state: String,
    file_name: String,
    content_type: String,
    size_bytes: i64,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    is_avatar: bool,
    kind: String,
    sha256: Option<Vec<u8>>,
    upload_id: Option<String>,
    scan: String,
    rejection: Option<String>,
    details: Option<serde_json::Value>,
}

/// What a new row says; the rest is by default.
#[derive(Insertable)]
#[diesel(table_name = media)]
pub(super) struct NewRow<'a> {
    id: Uuid,
    owner_id: Uuid,
    state: &'static str,
    file_name: &'a str,
    content_type: &'a str,
    size_bytes: i64,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    kind: &'static str,
    sha256: Option<&'a [u8]>,
}

impl<'a> NewRow<'a> {
    pub fn pending(new: &'a Media) -> Self {
        Self {
            id: new.id.as_uuid(),
            owner_id: new.owner_id.as_uuid(),
            state: PENDING,
            file_name: new.file_name.as_str(),
            content_type: new.content_type.as_str(),
            size_bytes: new.size_bytes.cast_signed(),
            created_at: new.created_at,
            expires_at: new.expires_at,
            kind: new.kind.as_str(),
            sha256: new.sha256.as_ref().map(<[u8; 32]>::as_slice),
        }
    }
}

impl From<Row> for Media {
    fn from(row: Row) -> Self {
        let rejection = row.rejection.as_deref().map_or(Rejection::Failed, Rejection::from_name);
        Self {
            id: MediaId::from_uuid(row.id),
            owner_id: UserId::from_uuid(row.owner_id),
            // The table's check allows five states.
            state: match row.state.as_str() {
                READY => State::Ready,
                PENDING => State::Pending,
                PROCESSING => State::Processing,
                REJECTED => State::Rejected(rejection),
                _ => State::Expired,
            },
            kind: Kind::from_name(&row.kind).unwrap_or(Kind::Document),
            file_name: FileName::from_store(row.file_name),
            content_type: ContentType::from_store(row.content_type),
            size_bytes: row.size_bytes.cast_unsigned(),
            sha256: row.sha256.and_then(|sha256| sha256.try_into().ok()),
            upload_id: row.upload_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            audience: if row.is_avatar { Audience::AvatarViewers } else { Audience::Owner },
            scan: Scan::from_name(&row.scan),
            details: row.details.and_then(read_details).unwrap_or_default(),
        }
    }
}

/// The form of the column `details`.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct StoredDetails {
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u64>,
    blurhash: Option<String>,
    waveform: Vec<u8>,
    has_thumbnails: bool,
    has_clean_copy: bool,
}

/// What the column says; nothing when it is not of its form.
fn read_details(stored: serde_json::Value) -> Option<Details> {
    let StoredDetails { width, height, duration_ms, blurhash, waveform, has_thumbnails, has_clean_copy } =
        serde_json::from_value(stored).ok()?;
    Some(Details { width, height, duration_ms, blurhash, waveform, has_thumbnails, has_clean_copy })
}

/// What the column is to say.
pub(super) fn write_details(details: &Details) -> Option<serde_json::Value> {
    let Details { width, height, duration_ms, blurhash, waveform, has_thumbnails, has_clean_copy } = details.clone();
    let stored = StoredDetails { width, height, duration_ms, blurhash, waveform, has_thumbnails, has_clean_copy };
    serde_json::to_value(stored).ok()
}
