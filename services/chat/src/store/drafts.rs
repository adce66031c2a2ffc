use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
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
) -> Result<(), Error> {
    diesel::insert_into(drafts::table)
        .values((
            drafts::user_id.eq(user_id.as_uuid()),
            drafts::chat_id.eq(chat_id.as_uuid()),
            drafts::payload.eq(draft.0.as_ref()),
            drafts::updated_at.eq(now),
        ))
        .on_conflict((drafts::user_id, drafts::chat_id))
        .do_update()
        .set((drafts::payload.eq(draft.0.as_ref()), drafts::updated_at.eq(now)))
        .execute(conn)
        .await?;
    Ok(())
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
