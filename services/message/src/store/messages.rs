use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MessageId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::message_row::OptionalMessageRow;
use super::prepared::Prepared;
use crate::domain::{
    ANSWER_BYTES_MAX, ClientMessageId, ContentHash, Direction, MembershipVersion, Message, MessageText, Version,
};
use crate::wire::decode_version_entities;

/// Messages of a chat that a member may see, and the version of its member list at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMessages {
    /// Of the chat's log; the lowest when there is no log yet.
    pub membership_version: MembershipVersion,
    /// The log knows where the member stands in it.
    pub is_participant: bool,
    /// In the order asked for.
    pub messages: Vec<Message>,
    /// There are others behind them.
    pub has_more: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
    #[diesel(sql_type = Bool)]
    is_participant: bool,
    #[diesel(embed)]
    message: OptionalMessageRow,
    #[diesel(sql_type = Nullable<BigInt>)]
    found_count: Option<i64>,
}

/// At most `limit` messages, and no more bytes than an answer may have.
///
/// # Errors
/// When the database does.
pub async fn list_messages(
    conn: &mut Connection,
    chat_id: ChatId,
    viewer: UserId,
    direction: Direction,
    limit: u32,
) -> Result<FoundMessages, Error> {
    let (sql, seq) = match direction {
        Direction::Before(seq) => (LIST_BEFORE, seq),
        Direction::After(seq) => (LIST_AFTER, seq),
    };
    let query = sql_query(sql)
        .bind::<SqlUuid, _>(chat_id.as_uuid())
        .bind::<BigInt, _>(seq.as_i64())
        .bind::<BigInt, _>(i64::from(limit) + 1)
        .bind::<BigInt, _>(i64::try_from(ANSWER_BYTES_MAX).unwrap_or(i64::MAX))
        .bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let found_count = rows.as_slice().first().and_then(|row| row.found_count).unwrap_or(0);
    let mut found = FoundMessages::of(chat_id, rows);
    found.messages.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    found.has_more = i64::try_from(found.messages.len()).is_ok_and(|count| count < found_count);
    Ok(found)
}

/// One message, if it is there for the viewer.
///
/// # Errors
/// When the database does.
pub async fn find_message(conn: &mut Connection, id: MessageId, viewer: UserId) -> Result<FoundMessages, Error> {
    let query = sql_query(
        "SELECT h.membership_version, p.user_id IS NOT NULL AS is_participant,
             m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions, m.edited_at,
             m.edit_count, m.deleted_at, NULL::bigint AS found_count,
             (SELECT r.emoji FROM reactions r
              WHERE r.chat_id = h.chat_id AND r.seq = m.seq AND r.user_id = $3) AS my_reaction
         FROM chat_heads h
         LEFT JOIN participants p ON p.chat_id = h.chat_id AND p.user_id = $3
         LEFT JOIN messages m ON m.chat_id = h.chat_id AND m.seq = $2 AND m.deleted_at IS NULL
             AND m.seq >= coalesce(p.visible_from_seq, 0) AND m.seq > coalesce(p.cleared_seq, 0)
             AND NOT EXISTS (SELECT FROM hidden_messages x WHERE x.chat_id = $1 AND x.user_id = $3 AND x.seq = $2)
         WHERE h.chat_id = $1",
    )
    .bind::<SqlUuid, _>(id.chat_id.as_uuid())
    .bind::<BigInt, _>(id.seq.as_i64())
    .bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    Ok(FoundMessages::of(id.chat_id, rows))
}

/// The pinned messages of a chat that are there for the viewer, the newest pin first; no more than may be pinned.
///
/// # Errors
/// When the database does.
pub async fn pinned_messages(conn: &mut Connection, chat_id: ChatId, viewer: UserId) -> Result<FoundMessages, Error> {
    let query = sql_query(PINNED).bind::<SqlUuid, _>(chat_id.as_uuid()).bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    Ok(FoundMessages::of(chat_id, rows))
}

/// `OFFSET 0` keeps each look for a message a probe of the key: otherwise a plan made while there are few reads all
/// messages of the chat.
const PINNED: &str = "
    SELECT h.membership_version, p.user_id IS NOT NULL AS is_participant,
        m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions, m.edited_at, m.edit_count,
        m.deleted_at, NULL::bigint AS found_count,
        (SELECT r.emoji FROM reactions r WHERE r.chat_id = h.chat_id AND r.seq = m.seq AND r.user_id = $2) AS my_reaction
    FROM chat_heads h
    LEFT JOIN participants p ON p.chat_id = h.chat_id AND p.user_id = $2
    LEFT JOIN LATERAL (
        SELECT one.*, pin.pinned_seq
        FROM pins pin
        CROSS JOIN LATERAL (
            SELECT * FROM messages x WHERE x.chat_id = $1 AND x.seq = pin.seq AND x.deleted_at IS NULL OFFSET 0
        ) AS one
        WHERE pin.chat_id = $1
            AND pin.seq >= coalesce(p.visible_from_seq, 0) AND pin.seq > coalesce(p.cleared_seq, 0) AND NOT EXISTS (
                SELECT FROM hidden_messages x WHERE x.chat_id = $1 AND x.user_id = $2 AND x.seq = pin.seq OFFSET 0
            )
    ) AS m ON true
    WHERE h.chat_id = $1 ORDER BY m.pinned_seq DESC";

impl FoundMessages {
    fn of(chat_id: ChatId, rows: Vec<Row>) -> Self {
        let first = rows.as_slice().first();
        Self {
            membership_version: first
                .map_or(MembershipVersion::default(), |row| MembershipVersion::from_i64(row.membership_version)),
            is_participant: first.is_some_and(|row| row.is_participant),
            messages: rows.into_iter().filter_map(|row| row.message.into_message(chat_id)).collect(),
            has_more: false,
        }
    }
}

/// The same statement in two directions. The bytes before a message decide whether it is still given, so that there is
/// always one.
macro_rules! list {
    ($compare:literal, $order:literal) => {
        concat!(
            "SELECT h.membership_version, p.user_id IS NOT NULL AS is_participant,
                 m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions, m.edited_at,
                 m.edit_count, m.deleted_at, m.found_count,
                 (SELECT r.emoji FROM reactions r
                  WHERE r.chat_id = h.chat_id AND r.seq = m.seq AND r.user_id = $5) AS my_reaction
             FROM chat_heads h
             LEFT JOIN participants p ON p.chat_id = h.chat_id AND p.user_id = $5
             LEFT JOIN LATERAL (
                 SELECT page.*, count(*) OVER () AS found_count,
                     sum(page.bytes) OVER (ORDER BY page.seq ",
            $order,
            ") - page.bytes AS bytes_before
                 FROM (
                     SELECT one.*, octet_length(one.text) + coalesce(octet_length(one.extras), 0) AS bytes
                     FROM messages one WHERE one.chat_id = $1 AND one.seq ",
            $compare,
            " $2
                         AND one.seq >= coalesce(p.visible_from_seq, 0) AND one.seq > coalesce(p.cleared_seq, 0)
                         AND one.deleted_at IS NULL AND NOT EXISTS (
                             SELECT FROM hidden_messages x
                             WHERE x.chat_id = $1 AND x.user_id = $5 AND x.seq = one.seq OFFSET 0
                         )
                     ORDER BY one.seq ",
            $order,
            " LIMIT $3
                 ) AS page
             ) AS m ON m.bytes_before < $4
             WHERE h.chat_id = $1 ORDER BY m.seq ",
            $order
        )
    };
}

const LIST_BEFORE: &str = list!("<", "DESC");
const LIST_AFTER: &str = list!(">", "ASC");

#[derive(QueryableByName)]
struct PlainRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(embed)]
    message: OptionalMessageRow,
}

/// Messages that are there, whoever may see them.
///
/// # Errors
/// When the database does.
pub async fn messages_by_id(conn: &mut Connection, ids: &[MessageId]) -> Result<Vec<Message>, Error> {
    let query = sql_query(
        "SELECT m.chat_id, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions,
             m.edited_at, m.edit_count, m.deleted_at, NULL::text AS my_reaction
         FROM unnest($1, $2) AS k (chat_id, seq) JOIN messages m ON m.chat_id = k.chat_id AND m.seq = k.seq
         WHERE m.deleted_at IS NULL",
    )
    .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(ids.iter().map(|id| id.seq.as_i64()).collect::<Vec<_>>());
    let rows: Vec<PlainRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().filter_map(|row| row.message.into_message(ChatId::from_uuid(row.chat_id))).collect())
}

/// What somebody sent under a name before, if it was this; deleted or not.
///
/// # Errors
/// When the database does.
pub async fn message_sent_as(
    conn: &mut Connection,
    chat_id: ChatId,
    sender_id: UserId,
    client_message_id: &ClientMessageId,
    content_hash: &ContentHash,
) -> Result<Option<Message>, Error> {
    let query = sql_query(
        "SELECT m.chat_id, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions,
             m.edited_at, m.edit_count, m.deleted_at, NULL::text AS my_reaction
         FROM messages m
         WHERE m.chat_id = $1 AND m.sender_id = $2 AND m.client_message_id = $3 COLLATE \"C\"
           AND (m.deleted_at IS NOT NULL OR m.content_hash = $4)",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<SqlUuid, _>(sender_id.as_uuid())
    .bind::<Text, _>(client_message_id.as_str())
    .bind::<Binary, _>(content_hash.as_bytes());
    let rows: Vec<PlainRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().find_map(|row| row.message.into_message(ChatId::from_uuid(row.chat_id))))
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = Nullable<Binary>)]
    entities: Option<Vec<u8>>,
    #[diesel(sql_type = Timestamptz)]
    written_at: OffsetDateTime,
}

/// What an edited message said before, the oldest first.
///
/// # Errors
/// When the database does.
pub async fn versions(conn: &mut Connection, id: MessageId) -> Result<Vec<Version>, Error> {
    let query = sql_query(
        "SELECT text, entities, written_at FROM message_versions WHERE chat_id = $1 AND seq = $2 ORDER BY version",
    )
    .bind::<SqlUuid, _>(id.chat_id.as_uuid())
    .bind::<BigInt, _>(id.seq.as_i64());
    let rows: Vec<VersionRow> = Prepared(query).load(conn).await?;
    let versions = rows.into_iter().map(|row| Version {
        text: MessageText::from_store(row.text),
        entities: row.entities.map(|bytes| decode_version_entities(&bytes)).unwrap_or_default(),
        written_at: row.written_at,
    });
    Ok(versions.collect())
}
