use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::{CueTimes, cue_reads};
use crate::domain::ReadUpTo;

/// What a move of cursors did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Deliveries that are not made any more.
    pub cancelled_count: usize,
    /// Devices that are told that something they show was read.
    pub cued_count: usize,
}

/// Keeps how far people have read who can be reached; what waited for them is cancelled, and devices that show some of it
/// are told so.
///
/// # Errors
/// When the database does.
pub async fn move_cursors(
    conn: &mut Connection,
    reads: &[ReadUpTo],
    now: OffsetDateTime,
    times: CueTimes,
) -> Result<Moved, Error> {
    let users: Vec<_> = reads.iter().map(|read| read.user_id.as_uuid()).collect();
    let chats: Vec<_> = reads.iter().map(|read| read.chat_id.as_uuid()).collect();
    let seqs: Vec<_> = reads.iter().map(|read| read.seq.as_i64()).collect();
    conn.transaction(async |conn| {
        sql_query(
            "INSERT INTO read_cursors AS kept (user_id, chat_id, read_seq, moved_at) \
             SELECT r.user_id, r.chat_id, max(r.read_seq), $4 FROM unnest($1, $2, $3) AS r (user_id, chat_id, read_seq) \
             WHERE EXISTS (SELECT FROM addresses a WHERE a.user_id = r.user_id) \
             GROUP BY r.user_id, r.chat_id ORDER BY r.user_id, r.chat_id \
             ON CONFLICT (user_id, chat_id) DO UPDATE \
             SET read_seq = greatest(kept.read_seq, excluded.read_seq), moved_at = excluded.moved_at",
        )
        .bind::<Array<SqlUuid>, _>(&users)
        .bind::<Array<SqlUuid>, _>(&chats)
        .bind::<Array<BigInt>, _>(&seqs)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
        let cancelled_count = sql_query(
            "UPDATE deliveries d SET state = 'cancelled', outcome = 'read', finished_at = $4 \
             FROM unnest($1, $2, $3) AS r (user_id, chat_id, read_seq) \
             WHERE d.user_id = r.user_id AND d.chat_id = r.chat_id AND d.seq <= r.read_seq AND d.state = 'pending'",
        )
        .bind::<Array<SqlUuid>, _>(&users)
        .bind::<Array<SqlUuid>, _>(&chats)
        .bind::<Array<BigInt>, _>(&seqs)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
        let cued_count = cue_reads(conn, reads, times).await?;
        Ok(Moved { cancelled_count, cued_count })
    })
    .await
}

/// Forgets positions that no message is old enough for any more.
///
/// # Errors
/// When the database does.
pub async fn delete_old_cursors(conn: &mut Connection, moved_before: OffsetDateTime) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM read_cursors WHERE moved_at < $1");
    Ok(query.bind::<Timestamptz, _>(moved_before).execute(conn).await?)
}
