use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MessageId};
use godwit_pg::{Connection, Error};

use super::heads::OptionalMessageRow;
use super::prepared::Prepared;
use crate::domain::{ANSWER_BYTES_MAX, Direction, MembershipVersion, Message};

/// Messages of a chat, and the version of its member list at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMessages {
    /// Of the chat's log; the lowest when there is no log yet.
    pub membership_version: MembershipVersion,
    /// In the order asked for.
    pub messages: Vec<Message>,
    /// There are others behind them.
    pub has_more: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
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
        .bind::<BigInt, _>(i64::try_from(ANSWER_BYTES_MAX).unwrap_or(i64::MAX));
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let membership_version = version_of(&rows);
    let found_count = rows.as_slice().first().and_then(|row| row.found_count).unwrap_or(0);
    let messages: Vec<Message> = rows
        .into_iter()
        .filter_map(|row| row.message.into_message(chat_id))
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect();
    let has_more = i64::try_from(messages.len()).is_ok_and(|count| count < found_count);
    Ok(FoundMessages { membership_version, messages, has_more })
}

/// One message, if it is there.
///
/// # Errors
/// When the database does.
pub async fn find_message(conn: &mut Connection, id: MessageId) -> Result<FoundMessages, Error> {
    let query = sql_query(
        "SELECT h.membership_version, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at,
             NULL::bigint AS found_count
         FROM chat_heads h LEFT JOIN messages m ON m.chat_id = h.chat_id AND m.seq = $2
         WHERE h.chat_id = $1",
    )
    .bind::<SqlUuid, _>(id.chat_id.as_uuid())
    .bind::<BigInt, _>(id.seq.as_i64());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let membership_version = version_of(&rows);
    let messages = rows.into_iter().filter_map(|row| row.message.into_message(id.chat_id)).collect();
    Ok(FoundMessages { membership_version, messages, has_more: false })
}

fn version_of(rows: &[Row]) -> MembershipVersion {
    rows.first().map_or(MembershipVersion::default(), |row| MembershipVersion::from_i64(row.membership_version))
}

/// The same statement in two directions. The bytes before a message decide whether it is still given, so that there is
/// always one.
macro_rules! list {
    ($compare:literal, $order:literal) => {
        concat!(
            "SELECT h.membership_version, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.found_count
             FROM chat_heads h LEFT JOIN LATERAL (
                 SELECT page.*, count(*) OVER () AS found_count,
                     sum(octet_length(page.text)) OVER (ORDER BY page.seq ",
            $order,
            ") - octet_length(page.text) AS bytes_before
                 FROM (
                     SELECT * FROM messages WHERE chat_id = $1 AND seq ",
            $compare,
            " $2 ORDER BY seq ",
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
