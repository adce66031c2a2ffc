use diesel::QueryableByName;
use diesel::prelude::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};

use super::chats::{COLUMNS, ChatRow};
use super::decode;
use super::schema::chats;
use crate::domain::{Chat, PostingPolicy, Role, Standing};

#[derive(QueryableByName)]
struct StandingRow {
    #[diesel(embed)]
    chat: ChatRow,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    is_blocked: bool,
}

/// A chat, and what is decisive for a user's rights in it; `None` for who is not a member, also of a chat that does not
/// exist. One statement, so that the answer is as of the version that the chat names.
///
/// # Errors
/// When the database does.
pub async fn standing_of(
    conn: &mut Connection,
    chat_id: ChatId,
    user_id: UserId,
) -> Result<Option<(Chat, Standing)>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, m.role, coalesce(b.is_blocked, false) AS is_blocked
         FROM members m JOIN chats c ON c.id = m.chat_id AND c.deleted_at IS NULL
         LEFT JOIN direct_chats d ON d.chat_id = m.chat_id
         LEFT JOIN direct_blocks b ON b.low_id = d.least_user_id AND b.high_id = d.greatest_user_id
         WHERE m.chat_id = $1 AND m.user_id = $2"
    );
    let row: Option<StandingRow> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(chat_id.as_uuid())
        .bind::<SqlUuid, _>(user_id.as_uuid())
        .get_result(conn)
        .await
        .optional()?;
    let Some(row) = row else {
        return Ok(None);
    };
    let (chat, role) = (row.chat.into_chat()?, decode(Role::from_store(&row.role))?);
    let standing = Standing { is_blocked: row.is_blocked, ..chat.standing(role) };
    Ok(Some((chat, standing)))
}

/// Whether anybody finds a chat by its handle; false also when it does not exist.
///
/// # Errors
/// When the database does.
pub async fn is_public(conn: &mut Connection, chat_id: ChatId) -> Result<bool, Error> {
    let found =
        chats::table.find(chat_id.as_uuid()).filter(chats::deleted_at.is_null().and(chats::handle.is_not_null()));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn).await?)
}

/// What a user may do in a chat; `None` for who is not a member, also of a chat that does not exist.
///
/// # Errors
/// When the database does.
pub async fn posting_policy(
    conn: &mut Connection,
    chat_id: ChatId,
    user_id: UserId,
) -> Result<Option<PostingPolicy>, Error> {
    Ok(standing_of(conn, chat_id, user_id).await?.map(|(chat, standing)| PostingPolicy {
        standing,
        version: chat.version,
        slow_mode_secs: chat.info.slow_mode.secs(),
        member_count: chat.member_count,
        is_public: chat.info.handle.is_some(),
    }))
}
