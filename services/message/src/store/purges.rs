use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::ChatId;
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::prepared::Prepared;

/// Rows of one table that are deleted at once.
const BATCH: i64 = 2_000;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
}

/// The first deleted chat behind another one of which something is left.
///
/// # Errors
/// When the database does.
pub async fn next_purge(conn: &mut Connection, after: Option<ChatId>) -> Result<Option<ChatId>, Error> {
    let query = sql_query("SELECT chat_id FROM purges WHERE $1 IS NULL OR chat_id > $1 ORDER BY chat_id LIMIT 1")
        .bind::<Nullable<SqlUuid>, _>(after.map(|chat_id| chat_id.as_uuid()));
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    Ok(rows.as_slice().first().map(|row| ChatId::from_uuid(row.chat_id)))
}

macro_rules! delete_some {
    ($table:literal, $key:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE chat_id = $1 AND (chat_id, ",
            $key,
            ") IN (SELECT chat_id, ",
            $key,
            " FROM ",
            $table,
            " WHERE chat_id = $1 LIMIT $2)"
        )
    };
}

/// Updates that the stream has not got yet stay.
const DELETE_LOG: &str = "
    DELETE FROM sync_log WHERE chat_id = $1 AND seq IN (
        SELECT seq FROM sync_log
        WHERE chat_id = $1 AND occurred_at < published_until()
        LIMIT $2
    )";

/// What was said goes first. The last update, which tells of the deletion, is not here: it goes with the log.
const TABLES: [&str; 11] = [
    delete_some!("messages", "seq"),
    delete_some!("message_versions", "seq, version"),
    delete_some!("scheduled_messages", "id"),
    DELETE_LOG,
    delete_some!("content_updates", "seq, update_seq"),
    delete_some!("reactions", "seq, user_id"),
    delete_some!("mentions", "user_id, seq"),
    delete_some!("hidden_messages", "user_id, seq"),
    delete_some!("pins", "seq"),
    delete_some!("participants", "user_id"),
    delete_some!("scrubs", "seq"),
];

/// Deletes some rows of a deleted chat; how many. What the stream has not got yet stays until it has: a later turn takes
/// it. With nothing left, the purge is over: of the chat there is its head, and the names of events, so that none is
/// appended again.
///
/// # Errors
/// When the database does.
pub async fn purge_some(conn: &mut Connection, chat_id: ChatId) -> Result<usize, Error> {
    let query =
        sql_query("UPDATE chat_heads SET first_seq = last_seq + 1 WHERE chat_id = $1 AND first_seq <= last_seq")
            .bind::<SqlUuid, _>(chat_id.as_uuid());
    Prepared(query).execute(conn).await?;
    for sql in TABLES {
        let query = sql_query(sql).bind::<SqlUuid, _>(chat_id.as_uuid()).bind::<BigInt, _>(BATCH);
        let deleted = Prepared(query).execute(conn).await?;
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    conn.transaction(async |conn| {
        let query = sql_query(
            "DELETE FROM purges p
             WHERE p.chat_id = $1 AND NOT EXISTS (SELECT FROM sync_log l WHERE l.chat_id = $1)",
        )
        .bind::<SqlUuid, _>(chat_id.as_uuid());
        Ok(Prepared(query).execute(conn).await?)
    })
    .await
}
