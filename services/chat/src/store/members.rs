use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{BigInt, Bool, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::chats::decode_kind;
use super::schema::{chats, members};
use crate::domain::{Kind, MembershipVersion, Posting, PostingPolicy};

#[derive(diesel::QueryableByName)]
struct PolicyRow {
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
    #[diesel(sql_type = Bool)]
    is_blocked: bool,
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
    // One statement, so that the answer is as of the version that it names.
    let row: Option<PolicyRow> = diesel::sql_query(
        "SELECT c.membership_version, coalesce(b.is_blocked, false) AS is_blocked
         FROM members m JOIN chats c ON c.id = m.chat_id
         LEFT JOIN direct_chats d ON d.chat_id = m.chat_id
         LEFT JOIN direct_blocks b ON b.low_id = d.least_user_id AND b.high_id = d.greatest_user_id
         WHERE m.chat_id = $1 AND m.user_id = $2",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .get_result(conn)
    .await
    .optional()?;
    // Both people of a direct chat may post, but for a block.
    Ok(row.map(|row| PostingPolicy {
        posting: if row.is_blocked { Posting::Blocked } else { Posting::Allowed },
        version: MembershipVersion::from_i64(row.membership_version),
    }))
}

/// The ids of a user's chats above an id, in id order.
///
/// # Errors
/// When the database does.
pub async fn chat_ids_of(
    conn: &mut Connection,
    user_id: UserId,
    above: Option<ChatId>,
    limit: u32,
) -> Result<Vec<ChatId>, Error> {
    let above = above.map_or(Uuid::nil(), |id| id.as_uuid());
    let ids: Vec<Uuid> = members::table
        .filter(members::user_id.eq(user_id.as_uuid()))
        .filter(members::chat_id.gt(above))
        .order(members::chat_id)
        .limit(i64::from(limit))
        .select(members::chat_id)
        .load(conn)
        .await?;
    Ok(ids.into_iter().map(ChatId::from_uuid).collect())
}

/// Members of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The kind of the chat.
    pub kind: Kind,
    /// In id order.
    pub user_ids: Vec<UserId>,
}

/// The members of a chat above an id, in id order; `None` when there is no such chat.
///
/// # Errors
/// When the database does.
pub async fn members_of(
    conn: &mut Connection,
    chat_id: ChatId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Option<Members>, Error> {
    let kind: Option<String> = chats::table.find(chat_id.as_uuid()).select(chats::kind).first(conn).await.optional()?;
    let Some(kind) = kind else {
        return Ok(None);
    };
    let kind = decode_kind(&kind)?;
    let above = above.map_or(Uuid::nil(), |id| id.as_uuid());
    let ids: Vec<Uuid> = members::table
        .filter(members::chat_id.eq(chat_id.as_uuid()))
        .filter(members::user_id.gt(above))
        .order(members::user_id)
        .limit(i64::from(limit))
        .select(members::user_id)
        .load(conn)
        .await?;
    Ok(Some(Members { kind, user_ids: ids.into_iter().map(UserId::from_uuid).collect() }))
}

#[derive(diesel::QueryableByName)]
struct PeerRow {
    #[diesel(sql_type = SqlUuid)]
    peer_id: Uuid,
}

/// The other parties of a user's direct chats above an id, in id order.
///
/// # Errors
/// When the database does.
pub async fn direct_peers_of(
    conn: &mut Connection,
    user_id: UserId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Vec<UserId>, Error> {
    let rows: Vec<PeerRow> = diesel::sql_query(
        "(SELECT greatest_user_id AS peer_id FROM direct_chats
          WHERE least_user_id = $1 AND greatest_user_id > $2 ORDER BY peer_id LIMIT $3)
         UNION ALL
         (SELECT least_user_id AS peer_id FROM direct_chats
          WHERE greatest_user_id = $1 AND least_user_id > $2 ORDER BY peer_id LIMIT $3)
         ORDER BY peer_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<SqlUuid, _>(above.map_or(Uuid::nil(), |id| id.as_uuid()))
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.peer_id)).collect())
}
