use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{MediaId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{EXPIRED, NewRow, PENDING, PROCESSING, READY, REJECTED, Row};
use super::schema::{attachments, jobs, media};
use super::{garbage, quota};
use crate::domain::{Media, Object, Quota, Shortage};

/// Records an upload that begins, if it fits in its owner's quota.
///
/// # Errors
/// When the database fails; inside, what the owner lacks room for.
pub async fn insert_pending(conn: &mut Connection, new: &Media, quota: Quota) -> Result<Result<(), Shortage>, Error> {
    conn.transaction(async |conn| {
        lock_owner(conn, new.owner_id).await?;
        let used = quota::used_by(conn, new.owner_id, new.created_at).await?;
        if let Err(shortage) = quota.admit(&used, new.size_bytes) {
            return Ok(Err(shortage));
        }
        diesel::insert_into(media::table).values(NewRow::pending(new)).execute(conn).await?;
        Ok(Ok(()))
    })
    .await
}

/// Notes what the object store calls the parts of a pending upload. False, and nothing changes, when it is not pending
/// any more.
///
/// # Errors
/// When the database does.
pub async fn note_upload_id(conn: &mut Connection, id: MediaId, upload_id: &str) -> Result<bool, Error> {
    let pending = media::id.eq(id.as_uuid()).and(media::state.eq(PENDING));
    let noted = diesel::update(media::table.filter(pending)).set(media::upload_id.eq(upload_id));
    Ok(noted.execute(conn).await? > 0)
}

/// Forgets a pending upload whose parts the object store has not begun: there is nothing to remove.
///
/// # Errors
/// When the database does.
pub async fn forget_unbegun(conn: &mut Connection, id: MediaId) -> Result<(), Error> {
    let unbegun = media::id.eq(id.as_uuid()).and(media::state.eq(PENDING)).and(media::upload_id.is_null());
    diesel::delete(media::table.filter(unbegun)).execute(conn).await?;
    Ok(())
}

/// The record of one upload.
///
/// # Errors
/// When the database does.
pub async fn find(conn: &mut Connection, id: MediaId) -> Result<Option<Media>, Error> {
    let row = media::table.find(id.as_uuid()).select(Row::as_select()).first(conn).await.optional()?;
    Ok(row.map(Media::from))
}

/// The records of these uploads of an owner, marked as about to be sent: they are kept until `collect_at` at least.
/// Unknown ones are absent, and the order is none.
///
/// # Errors
/// When the database does.
pub async fn find_to_send(
    conn: &mut Connection,
    owner: UserId,
    ids: &[MediaId],
    collect_at: OffsetDateTime,
) -> Result<Vec<Media>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(MediaId::as_uuid).collect();
    let of_owner = media::owner_id.eq(owner.as_uuid()).and(media::id.eq_any(&ids));
    // Null stays: it is in use.
    diesel::update(media::table.filter(of_owner.and(media::state.eq(READY)).and(media::collect_at.lt(collect_at))))
        .set(media::collect_at.eq(collect_at))
        .execute(conn)
        .await?;
    let of_owner = media::owner_id.eq(owner.as_uuid()).and(media::id.eq_any(&ids));
    let rows = media::table.filter(of_owner).select(Row::as_select()).load(conn).await?;
    Ok(rows.into_iter().map(Media::from).collect())
}

/// Whether an upload that nothing refers to is kept for longer than until this instant.
///
/// # Errors
/// When the database does.
pub async fn is_kept_after(conn: &mut Connection, id: MediaId, at: OffsetDateTime) -> Result<bool, Error> {
    let kept = media::table.find(id.as_uuid()).filter(media::collect_at.gt(at));
    Ok(diesel::select(diesel::dsl::exists(kept)).get_result(conn).await?)
}

/// What the owner says of an upload when it is complete.
pub struct Completion {
    /// What the store makes the object of, when it came in parts.
    pub part_etags: Option<Vec<String>>,
    /// The bytes that came, when there may be fewer than announced.
    pub size_bytes: Option<u64>,
    /// Their checksum, when it was not announced.
    pub sha256: Option<[u8; 32]>,
}

/// Makes a pending upload that has not expired at `now` one that is looked at, with a job to do so; `None` when it is not
/// such a one.
///
/// # Errors
/// When the database does.
pub async fn mark_processing(
    conn: &mut Connection,
    id: MediaId,
    completion: &Completion,
    now: OffsetDateTime,
) -> Result<Option<Media>, Error> {
    conn.transaction(async |conn| {
        let pending = media::id.eq(id.as_uuid()).and(media::state.eq(PENDING)).and(media::expires_at.gt(now));
        let size_bytes = completion.size_bytes.map(u64::cast_signed);
        let row: Option<Row> = diesel::update(media::table.filter(pending))
            .set((
                media::state.eq(PROCESSING),
                // A release before this one gives up whatever is past this instant and not ready.
                media::expires_at.eq(now + super::FAR),
                size_bytes.map(|size_bytes| media::size_bytes.eq(size_bytes)),
                completion.sha256.as_ref().map(|sha256| media::sha256.eq(sha256.as_slice())),
            ))
            .returning(Row::as_returning())
            .get_result(conn)
            .await
            .optional()?;
        if row.is_some() {
            let part_etags = completion.part_etags.as_deref().unwrap_or_default();
            let job = (jobs::media_id.eq(id.as_uuid()), jobs::due_at.eq(now), jobs::part_etags.eq(part_etags));
            diesel::insert_into(jobs::table).values(job).on_conflict_do_nothing().execute(conn).await?;
        }
        Ok(row.map(Media::from))
    })
    .await
}

/// Makes a ready upload the avatar of its owner, and the one before no avatar any more; without an id the owner has none
/// from now on. False, and nothing changes, when `new` is no ready upload of the owner. The one before is kept until
/// `collect_at` at least.
///
/// # Errors
/// When the database does.
pub async fn set_avatar(
    conn: &mut Connection,
    owner: UserId,
    new: Option<MediaId>,
    collect_at: OffsetDateTime,
) -> Result<bool, Error> {
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
            .set((media::is_avatar.eq(false), media::collect_at.eq(collect_at)))
            .execute(conn)
            .await?;
        if let Some(new) = new {
            diesel::update(media::table.find(new.as_uuid())).set(media::is_avatar.eq(true)).execute(conn).await?;
        }
        Ok(true)
    })
    .await
}

/// Gives up a pending upload at once; its objects are to be removed from `due_at` on. `None` when it is not pending.
///
/// # Errors
/// When the database does.
pub async fn give_up(conn: &mut Connection, id: MediaId, due_at: OffsetDateTime) -> Result<Option<Media>, Error> {
    let pending = media::id.eq(id.as_uuid()).and(media::state.eq(PENDING));
    let row = diesel::update(media::table.filter(pending))
        .set((media::state.eq(EXPIRED), media::expires_at.eq(due_at)))
        .returning(Row::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Media::from))
}

/// Gives up at most `limit` uploads that were pending too long at `now`, and returns them together with those given up
/// before whose objects are not removed yet, oldest first.
///
/// # Errors
/// When the database does.
pub async fn expire(conn: &mut Connection, now: OffsetDateTime, limit: i64) -> Result<Vec<Media>, Error> {
    // Two workers may take the same rows: removing an object twice is harmless, so rows are not skipped when locked.
    let given_up = || media::state.eq_any([PENDING, EXPIRED]);
    let overdue = media::table
        .filter(given_up().and(media::state.ne(READY)).and(media::expires_at.le(now)))
        .order(media::expires_at)
        .limit(limit)
        .select(media::id)
        .load::<Uuid>(conn)
        .await?;
    let rows = diesel::update(media::table.filter(media::id.eq_any(overdue).and(given_up())))
        .set(media::state.eq(EXPIRED))
        .returning(Row::as_returning())
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(Media::from).collect())
}

/// Gives up at most `limit` uploads that nothing refers to since long: no message carries them, and they are nobody's
/// avatar. Returns how many; [`expire`] finds them.
///
/// # Errors
/// When the database does.
pub async fn give_up_unused(conn: &mut Connection, now: OffsetDateTime, limit: i64) -> Result<usize, Error> {
    let in_use = attachments::table.filter(attachments::media_id.eq(media::id).and(attachments::is_gone.eq(false)));
    let unused = media::table
        .filter(media::collect_at.le(now).and(media::state.eq_any([READY, REJECTED])))
        .filter(media::is_avatar.eq(false))
        .filter(diesel::dsl::not(diesel::dsl::exists(in_use)))
        .order(media::collect_at)
        .limit(limit)
        .select(media::id)
        .load::<Uuid>(conn)
        .await?;
    // What somebody is about to send since then has another time.
    let still_unused = media::id.eq_any(unused).and(media::collect_at.le(now)).and(media::is_avatar.eq(false));
    Ok(diesel::update(media::table.filter(still_unused))
        .set((media::state.eq(EXPIRED), media::expires_at.eq(now), media::collect_at.eq(None::<OffsetDateTime>)))
        .execute(conn)
        .await?)
}

/// Forgets an upload that was given up, once its objects are removed; what its address may still bring is removed later.
///
/// # Errors
/// When the database does.
pub async fn delete_expired(conn: &mut Connection, gone: &Media, now: OffsetDateTime) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        let expired = media::id.eq(gone.id.as_uuid()).and(media::state.eq(EXPIRED));
        let count = diesel::delete(media::table.filter(expired)).execute(conn).await?;
        if count > 0 {
            garbage::insert(conn, &[Object::Upload.key(gone.id)], gone.created_at, now).await?;
        }
        Ok(count > 0)
    })
    .await
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
