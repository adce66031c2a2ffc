use diesel::prelude::*;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::garbage;
use super::rows::{PROCESSING, READY, REJECTED, Row, write_details};
use super::schema::{jobs, media};
use crate::domain::{Accepted, Job, Object, Rejection, Scan};

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    media_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    attempts: i32,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    outages: i32,
    #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Text>)]
    part_etags: Vec<String>,
}

/// Claims the job that is due the longest and of nobody who is `passed_over`, until `until`: when the claimer dies, it is
/// due again then.
///
/// # Errors
/// When the database does.
pub async fn claim(
    conn: &mut Connection,
    claim: Uuid,
    now: OffsetDateTime,
    until: OffsetDateTime,
    passed_over: &[UserId],
) -> Result<Option<Job>, Error> {
    let claimed: Option<Claimed> = diesel::sql_query(
        "UPDATE jobs SET due_at = $3, attempts = attempts + 1, claim = $1 \
         WHERE media_id = (SELECT media_id FROM jobs j WHERE dead_at IS NULL AND due_at <= $2 \
                               AND NOT EXISTS (SELECT FROM media m WHERE m.id = j.media_id AND m.owner_id = ANY ($4)) \
                           ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) \
         RETURNING media_id, attempts, outages, part_etags",
    )
    .bind::<SqlUuid, _>(claim)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(until)
    .bind::<Array<SqlUuid>, _>(passed_over.iter().map(UserId::as_uuid).collect::<Vec<_>>())
    .get_result(conn)
    .await
    .optional()?;
    let Some(claimed) = claimed else { return Ok(None) };
    let row: Row = media::table.find(claimed.media_id).select(Row::as_select()).first(conn).await?;
    Ok(Some(Job {
        media: row.into(),
        part_etags: claimed.part_etags,
        claim,
        attempts: claimed.attempts.cast_unsigned(),
        outages: claimed.outages.cast_unsigned(),
    }))
}

/// Makes a claim last longer. False when it is somebody else's by now.
///
/// # Errors
/// When the database does.
pub async fn keep_claim(conn: &mut Connection, job: &Job, until: OffsetDateTime) -> Result<bool, Error> {
    let mine = jobs::media_id.eq(job.media.id.as_uuid()).and(jobs::claim.eq(job.claim));
    let count = diesel::update(jobs::table.filter(mine)).set(jobs::due_at.eq(until)).execute(conn).await?;
    Ok(count > 0)
}

/// Keeps what was found: the upload may be fetched, and is removed at `collect_at` unless something refers to it by then.
/// False, and nothing changes, when the claim is somebody else's by now.
///
/// # Errors
/// When the database does.
pub async fn accept(
    conn: &mut Connection,
    job: &Job,
    accepted: &Accepted,
    now: OffsetDateTime,
    collect_at: OffsetDateTime,
) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        if !finish(conn, job).await? {
            return Ok(false);
        }
        let details = &accepted.details;
        let processing = media::id.eq(job.media.id.as_uuid()).and(media::state.eq(PROCESSING));
        diesel::update(media::table.filter(processing))
            .set((
                media::state.eq(READY),
                media::content_type.eq(accepted.content_type.as_str()),
                media::size_bytes.eq(accepted.size_bytes.cast_signed()),
                media::scan.eq(accepted.scan.as_str()),
                media::details.eq(write_details(details)),
                media::collect_at.eq(collect_at),
            ))
            .execute(conn)
            .await?;
        if details.has_clean_copy {
            garbage::insert(conn, &[Object::Upload.key(job.media.id)], job.media.created_at, now).await?;
        }
        Ok(true)
    })
    .await
}

/// Keeps that the upload is not kept: all its objects are to be removed, and its record at `collect_at`. A job that was
/// given up stays, with its error. False, and nothing changes, when the claim is somebody else's by now.
///
/// # Errors
/// When the database does.
pub async fn reject(
    conn: &mut Connection,
    job: &Job,
    rejection: Rejection,
    given_up: Option<&str>,
    (now, collect_at): (OffsetDateTime, OffsetDateTime),
) -> Result<bool, Error> {
    conn.transaction(async |conn| {
        let is_mine = match given_up {
            None => finish(conn, job).await?,
            Some(error) => bury(conn, job, error, now).await?,
        };
        if !is_mine {
            return Ok(false);
        }
        let scan = if rejection == Rejection::Malware { Scan::Infected } else { Scan::Unscanned };
        let processing = media::id.eq(job.media.id.as_uuid()).and(media::state.eq(PROCESSING));
        diesel::update(media::table.filter(processing))
            .set((
                media::state.eq(REJECTED),
                media::rejection.eq(rejection.as_str()),
                media::scan.eq(scan.as_str()),
                media::collect_at.eq(collect_at),
            ))
            .execute(conn)
            .await?;
        let mut keys = vec![Object::Upload.key(job.media.id)];
        keys.extend(Object::DERIVED.map(|object| object.key(job.media.id)));
        garbage::insert(conn, &keys, job.media.created_at, now).await?;
        Ok(true)
    })
    .await
}

/// How a claim ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another part was down, or the process was told to end: that is not counted against the upload.
    Outage,
    /// It may be the upload's fault.
    Fault,
}

impl Failure {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Fault => "fault",
        }
    }
}

/// Has a job done again at `due_at`.
///
/// # Errors
/// When the database does.
pub async fn postpone(
    conn: &mut Connection,
    job: &Job,
    failure: Failure,
    error: &str,
    due_at: OffsetDateTime,
) -> Result<(), Error> {
    let (attempts, outages) = match failure {
        Failure::Outage => (1, 1),
        Failure::Fault => (0, 0),
    };
    let mine = jobs::media_id.eq(job.media.id.as_uuid()).and(jobs::claim.eq(job.claim));
    diesel::update(jobs::table.filter(mine))
        .set((
            jobs::due_at.eq(due_at),
            jobs::attempts.eq(jobs::attempts - attempts),
            jobs::outages.eq(jobs::outages + outages),
            jobs::claim.eq(None::<Uuid>),
            jobs::last_error.eq(error),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// How many jobs are not done, and how many of them were given up.
///
/// # Errors
/// When the database does.
pub async fn count(conn: &mut Connection) -> Result<(u32, u32), Error> {
    let waiting: i64 = jobs::table.filter(jobs::dead_at.is_null()).count().get_result(conn).await?;
    let dead: i64 = jobs::table.filter(jobs::dead_at.is_not_null()).count().get_result(conn).await?;
    Ok((u32::try_from(waiting).unwrap_or(u32::MAX), u32::try_from(dead).unwrap_or(u32::MAX)))
}

async fn finish(conn: &mut Connection, job: &Job) -> Result<bool, Error> {
    let mine = jobs::media_id.eq(job.media.id.as_uuid()).and(jobs::claim.eq(job.claim));
    Ok(diesel::delete(jobs::table.filter(mine)).execute(conn).await? > 0)
}

async fn bury(conn: &mut Connection, job: &Job, error: &str, now: OffsetDateTime) -> Result<bool, Error> {
    let mine = jobs::media_id.eq(job.media.id.as_uuid()).and(jobs::claim.eq(job.claim));
    let buried = (jobs::dead_at.eq(now), jobs::last_error.eq(error), jobs::claim.eq(None::<Uuid>));
    Ok(diesel::update(jobs::table.filter(mine)).set(buried).execute(conn).await? > 0)
}
