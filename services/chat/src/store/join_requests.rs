use diesel::prelude::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::join_requests;
use crate::domain::{InviteCode, JoinRequest, TimeCursor};

/// Whether somebody waits to be let into a chat.
///
/// # Errors
/// When the database does.
pub async fn has_join_request(conn: &mut Connection, chat_id: ChatId, user_id: UserId) -> Result<bool, Error> {
    let found: Option<Uuid> = join_requests::table
        .find((chat_id.as_uuid(), user_id.as_uuid()))
        .select(join_requests::user_id)
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

#[derive(diesel::QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// How many wait to be let into a chat, counted to `max`.
///
/// # Errors
/// When the database does.
pub async fn join_request_count(conn: &mut Connection, chat_id: ChatId, max: u32) -> Result<u32, Error> {
    let row: CountRow = diesel::sql_query(
        "SELECT count(*) AS number FROM (SELECT FROM join_requests WHERE chat_id = $1 LIMIT $2) AS waiting",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(i64::from(max))
    .get_result(conn)
    .await?;
    Ok(u32::try_from(row.number).unwrap_or(max))
}

/// Keeps that somebody waits to be let into a locked chat, who did not before. Returns it as it is kept: to the
/// microsecond.
///
/// # Errors
/// When the database does.
pub async fn add_join_request(
    conn: &mut Connection,
    chat_id: ChatId,
    request: JoinRequest,
    code: &InviteCode,
) -> Result<JoinRequest, Error> {
    let requested_at: OffsetDateTime = diesel::insert_into(join_requests::table)
        .values((
            join_requests::chat_id.eq(chat_id.as_uuid()),
            join_requests::user_id.eq(request.user_id.as_uuid()),
            join_requests::invite_code.eq(code.as_str()),
            join_requests::requested_at.eq(request.requested_at),
        ))
        .returning(join_requests::requested_at)
        .get_result(conn)
        .await?;
    Ok(JoinRequest { requested_at, ..request })
}

/// Nobody of these waits for a locked chat any more; who did.
///
/// # Errors
/// When the database does.
pub async fn delete_join_requests(
    conn: &mut Connection,
    chat_id: ChatId,
    user_ids: &[UserId],
) -> Result<Vec<UserId>, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let rows = join_requests::table
        .filter(join_requests::chat_id.eq(chat_id.as_uuid()))
        .filter(join_requests::user_id.eq_any(ids));
    let waited: Vec<Uuid> = diesel::delete(rows).returning(join_requests::user_id).get_results(conn).await?;
    Ok(waited.into_iter().map(UserId::from_uuid).collect())
}

/// Somebody who waits for a locked chat is not let in: the use of the invite by which they asked is given back. Whether they
/// waited.
///
/// # Errors
/// When the database does.
pub async fn reject_join_request(conn: &mut Connection, chat_id: ChatId, user_id: UserId) -> Result<bool, Error> {
    let row: CountRow = diesel::sql_query(
        "WITH ended AS (
             DELETE FROM join_requests WHERE chat_id = $1 AND user_id = $2 RETURNING invite_code
         ), given_back AS (
             UPDATE invites i SET use_count = i.use_count - 1 FROM ended
             WHERE i.code = ended.invite_code AND i.chat_id = $1 AND i.use_count > 0
         )
         SELECT count(*) AS number FROM ended",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .get_result(conn)
    .await?;
    Ok(row.number > 0)
}

/// The ids of the chats above an id that somebody waits to be let into, in id order.
///
/// # Errors
/// When the database does.
pub async fn chat_ids_asked_by(
    conn: &mut Connection,
    user_id: UserId,
    above: Option<ChatId>,
    limit: u32,
) -> Result<Vec<ChatId>, Error> {
    let ids: Vec<Uuid> = join_requests::table
        .filter(join_requests::user_id.eq(user_id.as_uuid()))
        .filter(join_requests::chat_id.gt(above.map_or(Uuid::nil(), |id| id.as_uuid())))
        .order(join_requests::chat_id)
        .limit(i64::from(limit))
        .select(join_requests::chat_id)
        .load(conn)
        .await?;
    Ok(ids.into_iter().map(ChatId::from_uuid).collect())
}

/// Who waits to be let into a chat, behind a place, the oldest first.
///
/// # Errors
/// When the database does.
pub async fn join_requests_of(
    conn: &mut Connection,
    chat_id: ChatId,
    after: Option<TimeCursor>,
    limit: u32,
) -> Result<Vec<JoinRequest>, Error> {
    let (at, id) = after.map_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()), |cursor| (cursor.at, cursor.id));
    let behind =
        join_requests::requested_at.gt(at).or(join_requests::requested_at.eq(at).and(join_requests::user_id.gt(id)));
    let rows: Vec<(Uuid, OffsetDateTime)> = join_requests::table
        .filter(join_requests::chat_id.eq(chat_id.as_uuid()))
        .filter(behind)
        .order((join_requests::requested_at, join_requests::user_id))
        .limit(i64::from(limit))
        .select((join_requests::user_id, join_requests::requested_at))
        .load(conn)
        .await?;
    let decode = |(user_id, requested_at)| JoinRequest { user_id: UserId::from_uuid(user_id), requested_at };
    Ok(rows.into_iter().map(decode).collect())
}
