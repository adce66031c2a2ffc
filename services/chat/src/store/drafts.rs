use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Binary, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::drafts;
use crate::domain::Draft;

/// What somebody was about to send to a chat.
///
/// # Errors
/// When the database does.
pub async fn draft_of(conn: &mut Connection, user_id: UserId, chat_id: ChatId) -> Result<Option<Draft>, Error> {
    let payload: Option<Vec<u8>> = drafts::table
        .find((user_id.as_uuid(), chat_id.as_uuid()))
        .select(drafts::payload)
        .first(conn)
        .await
        .optional()?;
    Ok(payload.map(|payload| Draft(payload.into())))
}

/// What somebody was about to send to any chat, the newest first.
///
/// # Errors
/// When the database does.
pub async fn drafts_of(conn: &mut Connection, user_id: UserId, limit: i64) -> Result<Vec<Draft>, Error> {
    let payloads: Vec<Vec<u8>> = drafts::table
        .filter(drafts::user_id.eq(user_id.as_uuid()))
        .order((drafts::updated_at.desc(), drafts::chat_id))
        .limit(limit)
        .select(drafts::payload)
        .load(conn)
        .await?;
    Ok(payloads.into_iter().map(|payload| Draft(payload.into())).collect())
}

/// Keeps what somebody is about to send in place of what they were before.
///
/// # Errors
/// When the database does.
pub async fn set_draft(
    conn: &mut Connection,
    user_id: UserId,
    chat_id: ChatId,
    draft: &Draft,
    now: OffsetDateTime,
) -> Result<bool, Error> {
    let kept = diesel::sql_query(
        "INSERT INTO drafts (user_id, chat_id, payload, updated_at)
         SELECT m.user_id, m.chat_id, $3, $4
         FROM (SELECT user_id, chat_id FROM members WHERE chat_id = $2 AND user_id = $1 FOR KEY SHARE) AS m
         ON CONFLICT (user_id, chat_id) DO UPDATE SET payload = excluded.payload, updated_at = excluded.updated_at",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<Binary, _>(draft.0.as_ref())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(kept > 0)
}

/// Forgets the drafts of some people for a chat; how many there were.
///
/// # Errors
/// When the database does.
pub async fn delete_draft(conn: &mut Connection, chat_id: ChatId, user_ids: &[UserId]) -> Result<usize, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let rows = drafts::table.filter(drafts::user_id.eq_any(ids)).filter(drafts::chat_id.eq(chat_id.as_uuid()));
    Ok(diesel::delete(rows).execute(conn).await?)
}
