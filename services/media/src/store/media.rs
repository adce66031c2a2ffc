use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{MediaId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::media;
use crate::domain::{Audience, ContentType, FileName, Media, Quota, State};

const PENDING: &str = "pending";
const READY: &str = "ready";
const EXPIRED: &str = "expired";

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = media, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    owner_id: Uuid,
    state: String,
    file_name: String,
    content_type: String,
    size_bytes: i64,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    is_avatar: bool,
}

/// Records an upload that begins, if it fits in its owner's quota; returns whether it did.
///
/// # Errors
/// When the database does.
pub async fn insert_pending(conn: &mut Connection, new: &Media, quota: Quota) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        lock_owner(conn, new.owner_id).await?;
        let (count, bytes) = unfinished(conn, new.owner_id).await?;
        if !quota.admits(count, bytes, new.size_bytes) {
            return Ok(false);
        }
        diesel::insert_into(media::table).values(Row::pending(new)).execute(conn).await?;
        Ok(true)
    })
    .await
}

/// The record of one upload.
///
/// # Errors
/// When the database does.
pub async fn find(conn: &mut Connection, id: MediaId) -> Result<Option<Media>, Error> {
    let row = media::table.find(id.as_uuid()).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Media::from))
}

/// The records of these uploads; unknown ones are absent, and the order is none.
///
/// # Errors
/// When the database does.
pub async fn find_all(conn: &mut Connection, ids: &[MediaId]) -> Result<Vec<Media>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(MediaId::as_uuid).collect();
    let rows = media::table.filter(media::id.eq_any(ids)).select(Row::as_select()).load(conn).await?;
    Ok(rows.into_iter().map(Media::from).collect())
}

/// Makes a pending upload that has not expired at `now` ready; `None` when it is not such a one.
///
/// # Errors
/// When the database does.
pub async fn mark_ready(conn: &mut Connection, id: MediaId, now: OffsetDateTime) -> Result<Option<Media>, Error> {
    let row = diesel::update(
        media::table.filter(media::id.eq(id.as_uuid()).and(media::state.eq(PENDING)).and(media::expires_at.gt(now))),
    )
    .set(media::state.eq(READY))
    .returning(Row::as_returning())
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(Media::from))
}

/// Makes a ready upload the avatar of its owner, and the one before no avatar any more; without an id the owner has none
/// from now on. False, and nothing changes, when `new` is no ready upload of the owner.
///
/// # Errors
/// When the database does.
pub async fn set_avatar(conn: &mut Connection, owner: UserId, new: Option<MediaId>) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        lock_owner(conn, owner).await?;
        let of_owner = || media::owner_id.eq(owner.as_uuid());
        if let Some(new) = new {
            let new = media::table.find(new.as_uuid()).filter(of_owner().and(media::state.eq(READY)));
            if diesel::select(diesel::dsl::not(diesel::dsl::exists(new))).get_result(conn).await? {
                return Ok(false);
            }
        }
        diesel::update(media::table.filter(of_owner().and(media::is_avatar)))
            .set(media::is_avatar.eq(false))
            .execute(conn)
            .await?;
        if let Some(new) = new {
            diesel::update(media::table.find(new.as_uuid())).set(media::is_avatar.eq(true)).execute(conn).await?;
        }
        Ok(true)
    })
    .await
}

/// Gives up at most `limit` uploads that were pending too long at `now`, and returns them together with those given up
/// before whose objects are not removed yet, oldest first.
///
/// # Errors
/// When the database does.
pub async fn expire(conn: &mut Connection, now: OffsetDateTime, limit: i64) -> Result<Vec<Media>, Error> {
    // Two workers may take the same rows: removing an object twice is harmless, so rows are not skipped when locked.
    let overdue = media::table
        .filter(media::state.ne(READY).and(media::expires_at.le(now)))
        .order(media::expires_at)
        .limit(limit)
        .select(media::id)
        .load::<Uuid>(conn)
        .await?;
    let rows = diesel::update(media::table.filter(media::id.eq_any(overdue).and(media::state.ne(READY))))
        .set(media::state.eq(EXPIRED))
        .returning(Row::as_returning())
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(Media::from).collect())
}

/// Forgets an upload that was given up, once its object is removed.
///
/// # Errors
/// When the database does.
pub async fn delete_expired(conn: &mut Connection, id: MediaId) -> Result<(), Error> {
    diesel::delete(media::table.filter(media::id.eq(id.as_uuid()).and(media::state.eq(EXPIRED)))).execute(conn).await?;
    Ok(())
}

/// Makes what is counted over an owner's uploads happen one after the other until the transaction ends, so that two at
/// once cannot both take the last place of a quota, or both become the avatar.
async fn lock_owner(conn: &mut Connection, owner: UserId) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind::<diesel::sql_types::Uuid, _>(owner.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// How many uploads an owner has begun and not completed, and how many bytes they announce together.
async fn unfinished(conn: &mut Connection, owner: UserId) -> Result<(u64, u64), Error> {
    let (count, bytes): (i64, i64) = media::table
        .filter(media::owner_id.eq(owner.as_uuid()).and(media::state.ne(READY)))
        .select((diesel::dsl::count_star(), sql::<BigInt>("coalesce(sum(size_bytes), 0)::bigint")))
        .first(conn)
        .await?;
    Ok((count.cast_unsigned(), bytes.cast_unsigned()))
}

impl Row {
    fn pending(new: &Media) -> Self {
        Self {
            id: new.id.as_uuid(),
            owner_id: new.owner_id.as_uuid(),
            state: PENDING.to_owned(),
            file_name: new.file_name.as_str().to_owned(),
            content_type: new.content_type.as_str().to_owned(),
            size_bytes: new.size_bytes.cast_signed(),
            created_at: new.created_at,
            expires_at: new.expires_at,
            is_avatar: false,
        }
    }
}

impl From<Row> for Media {
    fn from(row: Row) -> Self {
        Self {
            id: MediaId::from_uuid(row.id),
            owner_id: UserId::from_uuid(row.owner_id),
            // The table's check allows three states.
            state: match row.state.as_str() {
                READY => State::Ready,
                PENDING => State::Pending,
                _ => State::Expired,
            },
            file_name: FileName::from_store(row.file_name),
            content_type: ContentType::from_store(row.content_type),
            size_bytes: row.size_bytes.cast_unsigned(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            audience: if row.is_avatar { Audience::AvatarViewers } else { Audience::Owner },
        }
    }
}
