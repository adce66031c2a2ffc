use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_pg::Connection;
use uuid::Uuid;

use super::append::{AppendError, erase};
use super::prepared::Prepared;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Empties the snippets of some replies to deleted messages that have more of them than were reached in their deletion; how
/// many, or `None` when none is left. Another replica that does the same is not waited for.
///
/// # Errors
/// When the database does.
pub async fn scrub_some(conn: &mut Connection) -> Result<Option<usize>, AppendError> {
    conn.transaction(async |conn| {
        let query = sql_query("SELECT chat_id, seq FROM scrubs ORDER BY chat_id, seq LIMIT 1 FOR UPDATE SKIP LOCKED");
        let rows: Vec<Row> = Prepared(query).load(conn).await?;
        let Some(row) = rows.as_slice().first() else {
            return Ok(None);
        };
        // As the appender does: nobody edits a reply meanwhile.
        let query = sql_query("SELECT 1 FROM chat_heads WHERE chat_id = $1 FOR UPDATE").bind::<SqlUuid, _>(row.chat_id);
        Prepared(query).execute(conn).await?;
        let id = MessageId { chat_id: ChatId::from_uuid(row.chat_id), seq: Seq::from_i64(row.seq) };
        let count = erase::erase_replies(conn, id).await?;
        if count == 0 {
            let query = sql_query("DELETE FROM scrubs WHERE chat_id = $1 AND seq = $2")
                .bind::<SqlUuid, _>(row.chat_id)
                .bind::<BigInt, _>(row.seq);
            Prepared(query).execute(conn).await?;
        }
        Ok(Some(count))
    })
    .await
}
