use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chats::{COLUMNS, ChatRow, IdRow};
use super::schema::{bans, chat_settings, chats, drafts, folders, invites, join_requests};
use crate::domain::Chat;

/// A locked chat is gone from now on: nobody is a member any more, whatever rows are left. Its handle is free.
///
/// # Errors
/// When the database does.
pub async fn mark_deleted(conn: &mut Connection, chat: &Chat, now: OffsetDateTime) -> Result<(), Error> {
    diesel::update(chats::table.find(chat.id.as_uuid()))
        .set((
            chats::deleted_at.eq(now),
            chats::membership_version.eq(chat.version.as_i64()),
            chats::handle.eq(None::<String>),
            chats::title.eq(""),
            chats::description.eq(""),
            chats::avatar_media_id.eq(None::<Uuid>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets the invites, bans and requests of a chat that is gone.
///
/// # Errors
/// When the database does.
pub async fn forget_chat(conn: &mut Connection, chat_id: ChatId) -> Result<(), Error> {
    let id = chat_id.as_uuid();
    diesel::delete(invites::table.filter(invites::chat_id.eq(id))).execute(conn).await?;
    diesel::delete(bans::table.filter(bans::chat_id.eq(id))).execute(conn).await?;
    diesel::delete(join_requests::table.filter(join_requests::chat_id.eq(id))).execute(conn).await?;
    Ok(())
}

/// Chats that are gone while people are still to be put out of them; at most `limit`, the oldest first.
///
/// # Errors
/// When the database does.
pub async fn emptying_chats(
    conn: &mut Connection,
    gone_before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<ChatId>, Error> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM chats WHERE deleted_at < $1 AND member_count > 0 ORDER BY deleted_at LIMIT $2",
    )
    .bind::<Timestamptz, _>(gone_before)
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ChatId::from_uuid(row.id)).collect())
}

/// Locks a chat that is gone, until the transaction ends.
///
/// # Errors
/// When the database does.
pub async fn lock_deleted_chat(conn: &mut Connection, chat_id: ChatId) -> Result<Option<Chat>, Error> {
    let query = format!("SELECT {COLUMNS} FROM chats c WHERE c.id = $1 AND c.deleted_at IS NOT NULL FOR NO KEY UPDATE");
    let row: Option<ChatRow> =
        diesel::sql_query(query).bind::<SqlUuid, _>(chat_id.as_uuid()).get_result(conn).await.optional()?;
    row.map(ChatRow::into_chat).transpose()
}

/// Takes at most `limit` people out of a locked chat that is gone.
///
/// # Errors
/// When the database does.
pub async fn remove_some_members(conn: &mut Connection, chat_id: ChatId, limit: u32) -> Result<Vec<UserId>, Error> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "DELETE FROM members m USING (SELECT user_id FROM members WHERE chat_id = $1 ORDER BY user_id LIMIT $2) AS page
         WHERE m.chat_id = $1 AND m.user_id = page.user_id RETURNING m.user_id AS id",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}

/// Forgets what a person has set, drafted and put into folders, and who banned them.
///
/// # Errors
/// When the database does.
pub async fn forget_person(conn: &mut Connection, user_id: UserId) -> Result<(), Error> {
    let id = user_id.as_uuid();
    diesel::delete(chat_settings::table.filter(chat_settings::user_id.eq(id))).execute(conn).await?;
    diesel::delete(drafts::table.filter(drafts::user_id.eq(id))).execute(conn).await?;
    diesel::delete(folders::table.filter(folders::user_id.eq(id))).execute(conn).await?;
    diesel::delete(bans::table.filter(bans::user_id.eq(id))).execute(conn).await?;
    Ok(())
}
