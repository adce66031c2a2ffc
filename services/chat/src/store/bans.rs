use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::bans;
use crate::domain::Ban;

/// Keeps that somebody may not join a locked chat. Who is banned already stays so.
///
/// # Errors
/// When the database does.
pub async fn ban(conn: &mut Connection, chat_id: ChatId, ban: Ban) -> Result<(), Error> {
    diesel::insert_into(bans::table)
        .values((
            bans::chat_id.eq(chat_id.as_uuid()),
            bans::user_id.eq(ban.user_id.as_uuid()),
            bans::banned_by.eq(ban.banned_by.as_uuid()),
            bans::banned_at.eq(ban.banned_at),
        ))
        .on_conflict((bans::chat_id, bans::user_id))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Lifts a ban, if there is one.
///
/// # Errors
/// When the database does.
pub async fn unban(conn: &mut Connection, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
    diesel::delete(bans::table.find((chat_id.as_uuid(), user_id.as_uuid()))).execute(conn).await?;
    Ok(())
}

/// Those of some people who may not join a chat.
///
/// # Errors
/// When the database does.
pub async fn banned_among(conn: &mut Connection, chat_id: ChatId, user_ids: &[UserId]) -> Result<Vec<UserId>, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let found: Vec<Uuid> = bans::table
        .filter(bans::chat_id.eq(chat_id.as_uuid()))
        .filter(bans::user_id.eq_any(ids))
        .select(bans::user_id)
        .load(conn)
        .await?;
    Ok(found.into_iter().map(UserId::from_uuid).collect())
}

/// The bans of a chat above an id, in id order.
///
/// # Errors
/// When the database does.
pub async fn bans_of(
    conn: &mut Connection,
    chat_id: ChatId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Vec<Ban>, Error> {
    let rows: Vec<(Uuid, Uuid, OffsetDateTime)> = bans::table
        .filter(bans::chat_id.eq(chat_id.as_uuid()))
        .filter(bans::user_id.gt(above.map_or(Uuid::nil(), |id| id.as_uuid())))
        .order(bans::user_id)
        .limit(i64::from(limit))
        .select((bans::user_id, bans::banned_by, bans::banned_at))
        .load(conn)
        .await?;
    let decode = |(user_id, banned_by, banned_at)| Ban {
        user_id: UserId::from_uuid(user_id),
        banned_by: UserId::from_uuid(banned_by),
        banned_at,
    };
    Ok(rows.into_iter().map(decode).collect())
}
