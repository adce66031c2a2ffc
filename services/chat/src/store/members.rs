use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chats::IdRow;
use super::decode;
use super::schema::{chats, members};
use crate::domain::{Kind, Member, Role};

type MemberRow = (Uuid, String, OffsetDateTime);

const MEMBER: (members::user_id, members::role, members::joined_at) =
    (members::user_id, members::role, members::joined_at);

fn decode_member((user_id, role, joined_at): MemberRow) -> Result<Member, Error> {
    Ok(Member { user_id: UserId::from_uuid(user_id), role: decode(Role::from_store(&role))?, joined_at })
}

/// Adds people to a locked chat, who are not in it.
///
/// # Errors
/// When the database does.
pub async fn insert_members(
    conn: &mut Connection,
    chat_id: ChatId,
    added: &[Member],
    added_by: Option<UserId>,
) -> Result<(), Error> {
    let rows = added.iter().map(|member| {
        (
            members::chat_id.eq(chat_id.as_uuid()),
            members::user_id.eq(member.user_id.as_uuid()),
            members::joined_at.eq(member.joined_at),
            members::role.eq(member.role.as_str()),
            members::added_by.eq(added_by.map(|id| id.as_uuid())),
        )
    });
    diesel::insert_into(members::table).values(rows.collect::<Vec<_>>()).execute(conn).await?;
    Ok(())
}

/// Somebody in a chat; `None` for who is not.
///
/// # Errors
/// When the database does.
pub async fn member_of(conn: &mut Connection, chat_id: ChatId, user_id: UserId) -> Result<Option<Member>, Error> {
    let row: Option<MemberRow> =
        members::table.find((chat_id.as_uuid(), user_id.as_uuid())).select(MEMBER).first(conn).await.optional()?;
    row.map(decode_member).transpose()
}

/// Those of some people who are in a chat.
///
/// # Errors
/// When the database does.
pub async fn members_among(conn: &mut Connection, chat_id: ChatId, user_ids: &[UserId]) -> Result<Vec<UserId>, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let found: Vec<Uuid> = members::table
        .filter(members::chat_id.eq(chat_id.as_uuid()))
        .filter(members::user_id.eq_any(ids))
        .select(members::user_id)
        .load(conn)
        .await?;
    Ok(found.into_iter().map(UserId::from_uuid).collect())
}

/// Those of some people who are in `chats_max` chats of any kind or more already.
///
/// # Errors
/// When the database does.
pub async fn crowded_among(conn: &mut Connection, user_ids: &[UserId], chats_max: u32) -> Result<Vec<UserId>, Error> {
    let ids: Vec<Uuid> = user_ids.iter().map(UserId::as_uuid).collect();
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT asked.id FROM unnest($1) AS asked (id)
         WHERE (SELECT count(*) FROM (SELECT FROM members m WHERE m.user_id = asked.id LIMIT $2) AS page) >= $2",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<BigInt, _>(i64::from(chats_max))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}

/// Takes somebody out of a locked chat.
///
/// # Errors
/// When the database does.
pub async fn remove_member(conn: &mut Connection, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
    diesel::delete(members::table.find((chat_id.as_uuid(), user_id.as_uuid()))).execute(conn).await?;
    Ok(())
}

/// Gives somebody in a locked chat another role. A chat has one owner at most at any moment.
///
/// # Errors
/// When the database does.
pub async fn set_role(conn: &mut Connection, chat_id: ChatId, user_id: UserId, role: Role) -> Result<(), Error> {
    diesel::update(members::table.find((chat_id.as_uuid(), user_id.as_uuid())))
        .set(members::role.eq(role.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

/// The owner of a chat, then its admins, those first who have been in it longest; at most `limit`.
///
/// # Errors
/// When the database does.
pub async fn admins_of(conn: &mut Connection, chat_id: ChatId, limit: u32) -> Result<Vec<UserId>, Error> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT user_id AS id FROM members WHERE chat_id = $1 AND role <> 'member'
         ORDER BY role = 'owner' DESC, joined_at, user_id LIMIT $2",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}

/// Who becomes the owner of a chat after its owner: the admin who has been in it longest, else the member.
///
/// # Errors
/// When the database does.
pub async fn successor_of(conn: &mut Connection, chat_id: ChatId) -> Result<Option<Member>, Error> {
    for role in [Role::Admin, Role::Member] {
        let row: Option<MemberRow> = members::table
            .filter(members::chat_id.eq(chat_id.as_uuid()))
            .filter(members::role.eq(role.as_str()))
            .order((members::joined_at, members::user_id))
            .select(MEMBER)
            .first(conn)
            .await
            .optional()?;
        if let Some(row) = row {
            return decode_member(row).map(Some);
        }
    }
    Ok(None)
}

/// The members of a chat above an id, in id order.
///
/// # Errors
/// When the database does.
pub async fn members_page(
    conn: &mut Connection,
    chat_id: ChatId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Vec<Member>, Error> {
    let rows: Vec<MemberRow> = members::table
        .filter(members::chat_id.eq(chat_id.as_uuid()))
        .filter(members::user_id.gt(above.map_or(Uuid::nil(), |id| id.as_uuid())))
        .order(members::user_id)
        .limit(i64::from(limit))
        .select(MEMBER)
        .load(conn)
        .await?;
    rows.into_iter().map(decode_member).collect()
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
        .inner_join(chats::table)
        .filter(chats::deleted_at.is_null())
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

/// The members of a chat above an id, in id order; `None` when there is no such chat, or no longer.
///
/// # Errors
/// When the database does.
pub async fn members_of(
    conn: &mut Connection,
    chat_id: ChatId,
    above: Option<UserId>,
    limit: u32,
) -> Result<Option<Members>, Error> {
    let kind: Option<String> = chats::table
        .find(chat_id.as_uuid())
        .filter(chats::deleted_at.is_null())
        .select(chats::kind)
        .first(conn)
        .await
        .optional()?;
    let Some(kind) = kind else {
        return Ok(None);
    };
    let kind = decode(Kind::from_store(&kind))?;
    let members = members_page(conn, chat_id, above, limit).await?;
    Ok(Some(Members { kind, user_ids: members.into_iter().map(|member| member.user_id).collect() }))
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
