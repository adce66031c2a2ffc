use std::collections::HashSet;

use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{Cursors, MembershipVersion};

/// A change of a chat's member list that makes no update.
#[derive(Clone, Debug)]
pub struct Raise {
    /// The chat.
    pub chat_id: ChatId,
    /// The version of the list after it.
    pub version: MembershipVersion,
    /// Who is a member from now on.
    pub joined: Vec<UserId>,
    /// Who is no member any more.
    pub left: Vec<UserId>,
}

/// Whether a chat's log is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPresence {
    /// It is.
    There,
    /// It is not; nothing was done.
    Absent,
}

#[derive(QueryableByName)]
struct HeadRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
}

/// Raises the version of a chat's member list, never lowers it, and takes members in and out. The head's row is locked as
/// the appender locks it: a batch is numbered either before, or by the raised version.
///
/// The same change may come again, also after later ones: who left once and is back stays. Every leave has a version of its
/// own, so one that the log has seen is old; a join has that of the list it joins, so one below the log's is.
///
/// # Errors
/// When the database does.
pub async fn raise_membership_version(conn: &mut Connection, raise: &Raise) -> Result<LogPresence, Error> {
    conn.transaction(async |conn| {
        let query = sql_query("SELECT last_seq, membership_version FROM chat_heads WHERE chat_id = $1 FOR UPDATE")
            .bind::<SqlUuid, _>(raise.chat_id.as_uuid());
        let heads: Vec<HeadRow> = Prepared(query).load(conn).await?;
        let Some(head) = heads.as_slice().first() else {
            return Ok(LogPresence::Absent);
        };
        let version = raise.version.as_i64();
        let left = if version > head.membership_version { uuids(&raise.left) } else { Vec::new() };
        let joined = if version >= head.membership_version { uuids(&raise.joined) } else { Vec::new() };
        let query = sql_query(
            "WITH gone AS (
                 DELETE FROM participants WHERE chat_id = $1 AND user_id = ANY ($3)
             ), come AS (
                 INSERT INTO participants (chat_id, user_id, joined_seq) SELECT $1, user_id, $5
                 FROM unnest($4) AS j (user_id) ON CONFLICT DO NOTHING
             )
             UPDATE chat_heads SET membership_version = $2 WHERE chat_id = $1 AND membership_version < $2",
        )
        .bind::<SqlUuid, _>(raise.chat_id.as_uuid())
        .bind::<BigInt, _>(version)
        .bind::<Array<SqlUuid>, _>(left)
        .bind::<Array<SqlUuid>, _>(joined)
        .bind::<BigInt, _>(head.last_seq);
        Prepared(query).execute(conn).await?;
        Ok(LogPresence::There)
    })
    .await
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
}

/// The version of a chat's member list; the lowest when there is no log yet.
///
/// # Errors
/// When the database does.
pub async fn membership_version(conn: &mut Connection, chat_id: ChatId) -> Result<MembershipVersion, Error> {
    let query =
        sql_query("SELECT membership_version FROM chat_heads WHERE chat_id = $1").bind::<SqlUuid, _>(chat_id.as_uuid());
    let rows: Vec<VersionRow> = Prepared(query).load(conn).await?;
    let version = rows.into_iter().next().map(|row| MembershipVersion::from_i64(row.membership_version));
    Ok(version.unwrap_or_default())
}

#[derive(QueryableByName)]
struct HiddenRow {
    #[diesel(sql_type = BigInt)]
    hidden_until_seq: i64,
}

/// Some members of the chat may not see what is before this update.
///
/// # Errors
/// When the database does.
pub async fn hidden_until(conn: &mut Connection, chat_id: ChatId) -> Result<Seq, Error> {
    let query =
        sql_query("SELECT hidden_until_seq FROM chat_heads WHERE chat_id = $1").bind::<SqlUuid, _>(chat_id.as_uuid());
    let rows: Vec<HiddenRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().next().map(|row| Seq::from_i64(row.hidden_until_seq)).unwrap_or_default())
}

fn uuids(users: &[UserId]) -> Vec<Uuid> {
    users.iter().map(UserId::as_uuid).collect()
}

#[derive(QueryableByName)]
struct UserRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// Those of some users who stand in a chat's log.
///
/// # Errors
/// When the database does.
pub async fn members_among(conn: &mut Connection, chat_id: ChatId, users: &[UserId]) -> Result<HashSet<UserId>, Error> {
    let query = sql_query("SELECT user_id FROM participants WHERE chat_id = $1 AND user_id = ANY ($2)")
        .bind::<SqlUuid, _>(chat_id.as_uuid())
        .bind::<Array<SqlUuid>, _>(uuids(users));
    let rows: Vec<UserRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.user_id)).collect())
}

/// How far the members of a chat have come to a message, without its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageReceipts {
    /// How many have read it.
    pub read_count: u32,
    /// How many have received it.
    pub delivered_count: u32,
    /// Who of them, in chats with at most 200 members.
    pub receipts: Vec<(UserId, Cursors)>,
}

#[derive(QueryableByName)]
struct ReceiptsRow {
    #[diesel(sql_type = BigInt)]
    member_count: i64,
    #[diesel(sql_type = BigInt)]
    read_count: i64,
    #[diesel(sql_type = BigInt)]
    delivered_count: i64,
    #[diesel(sql_type = Array<SqlUuid>)]
    users: Vec<Uuid>,
    #[diesel(sql_type = Array<BigInt>)]
    reads: Vec<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    delivered: Vec<i64>,
}

/// How far the members of a chat have come to a message.
///
/// # Errors
/// When the database does.
pub async fn message_receipts(conn: &mut Connection, id: MessageId, sender: UserId) -> Result<MessageReceipts, Error> {
    let query = sql_query(
        "SELECT counted.*, named.* FROM (
             SELECT count(*) AS member_count, count(*) FILTER (WHERE p.read_seq >= $2 AND p.user_id <> $3) AS read_count,
                 count(*) FILTER (WHERE p.delivered_seq >= $2 AND p.user_id <> $3) AS delivered_count
             FROM participants p WHERE p.chat_id = $1
         ) AS counted CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(n.user_id), '{}') AS users, coalesce(array_agg(n.read_seq), '{}') AS reads,
                 coalesce(array_agg(n.delivered_seq), '{}') AS delivered
             FROM (
                 SELECT p.user_id, p.read_seq, p.delivered_seq FROM participants p
                 WHERE counted.member_count <= $4 AND p.chat_id = $1 AND p.user_id <> $3 AND p.delivered_seq >= $2
                 ORDER BY p.user_id LIMIT $4
             ) AS n
         ) AS named",
    )
    .bind::<SqlUuid, _>(id.chat_id.as_uuid())
    .bind::<BigInt, _>(id.seq.as_i64())
    .bind::<SqlUuid, _>(sender.as_uuid())
    .bind::<BigInt, _>(i64::from(RECEIPT_MEMBERS_MAX));
    let row: ReceiptsRow = Prepared(query).get_result(conn).await?;
    let is_named = row.member_count <= i64::from(RECEIPT_MEMBERS_MAX);
    let cursors = row.reads.iter().zip(&row.delivered);
    let receipts = row.users.iter().zip(cursors).filter(|_| is_named).map(|(user, (read, delivered))| {
        let cursors = Cursors { read_seq: Seq::from_i64(*read), delivered_seq: Seq::from_i64(*delivered) };
        (UserId::from_uuid(*user), cursors)
    });
    Ok(MessageReceipts {
        read_count: u32::try_from(row.read_count).unwrap_or(u32::MAX),
        delivered_count: u32::try_from(row.delivered_count).unwrap_or(u32::MAX),
        receipts: receipts.collect(),
    })
}
