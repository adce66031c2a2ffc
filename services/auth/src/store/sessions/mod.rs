//! Sessions: opened, refreshed, ended, listed.

mod end;
mod list;
mod open;
mod refresh;

use diesel::prelude::*;
use godwit_kernel::{DeviceId, SessionId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::sessions;
use crate::domain::{Device, Session};

pub(super) use end::end_all;
pub use open::LoggedIn;
pub(super) use open::open;
pub use refresh::{RefreshOutcome, RefreshStep};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    device_id: Uuid,
    device_name: String,
    device_platform: String,
    refresh_generation: i32,
    refresh_hash: Vec<u8>,
    refreshed_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    created_at: OffsetDateTime,
    last_address: Option<String>,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.as_uuid(),
            user_id: session.user_id.as_uuid(),
            device_id: session.device.id.as_uuid(),
            device_name: session.device.name.clone(),
            device_platform: session.device.platform.clone(),
            refresh_generation: session.refresh_generation,
            refresh_hash: session.refresh_hash.clone(),
            refreshed_at: session.refreshed_at,
            expires_at: session.expires_at,
            created_at: session.created_at,
            last_address: session.last_address.clone(),
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            device: Device {
                id: DeviceId::from_uuid(row.device_id),
                name: row.device_name,
                platform: row.device_platform,
            },
            refresh_generation: row.refresh_generation,
            refresh_hash: row.refresh_hash,
            refreshed_at: row.refreshed_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
            last_address: row.last_address,
        }
    }
}
