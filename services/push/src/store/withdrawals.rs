use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{DELETED_SEQS_MAX, Delivery, ReadUpTo};

// What devices show and should not any more. Not of browsers: they must show what they are pushed (`userVisibleOnly`), or
// show something of their own.

/// When devices are told, and when it is too late.
#[derive(Clone, Copy, Debug)]
pub struct CueTimes {
    /// That something was read.
    pub reads_at: OffsetDateTime,
    /// That something is deleted.
    pub deletions_at: OffsetDateTime,
    /// When it is too late for either.
    pub until: OffsetDateTime,
}

/// Makes a cue for each device that shows some of what was read.
///
/// # Errors
/// When the database does.
pub async fn cue_reads(conn: &mut Connection, reads: &[ReadUpTo], times: CueTimes) -> Result<usize, Error> {
    Ok(sql_query(
        "WITH shown AS ( \
             UPDATE deliveries d SET is_withdrawn = true \
             FROM unnest($1, $2, $3) AS r (user_id, chat_id, read_seq) \
             WHERE d.user_id = r.user_id AND d.chat_id = r.chat_id AND d.seq <= r.read_seq \
                 AND d.state = 'sent' AND NOT d.is_withdrawn \
             RETURNING d.device_id, d.user_id, d.chat_id, r.read_seq \
         ) \
         INSERT INTO cues AS kept \
             (device_id, subject_id, kind, user_id, provider, purpose, read_seq, due_at, expires_at) \
         SELECT s.device_id, s.chat_id, 'chat_read', s.user_id, a.provider, 'alert', max(s.read_seq), $4, $5 \
         FROM shown s JOIN addresses a ON a.device_id = s.device_id AND a.user_id = s.user_id AND a.purpose = 'alert' \
             AND a.provider <> 'web' \
         GROUP BY s.device_id, s.chat_id, s.user_id, a.provider ORDER BY s.device_id, s.chat_id \
         ON CONFLICT (device_id, subject_id, kind) DO UPDATE SET \
             read_seq = greatest(kept.read_seq, excluded.read_seq), version = kept.version + 1, state = 'pending', \
             attempt_count = 0, due_at = excluded.due_at, expires_at = excluded.expires_at, \
             provider = excluded.provider, user_id = excluded.user_id",
    )
    .bind::<Array<SqlUuid>, _>(reads.iter().map(|read| read.user_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(reads.iter().map(|read| read.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(reads.iter().map(|read| read.seq.as_i64()).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(times.reads_at)
    .bind::<Timestamptz, _>(times.until)
    .execute(conn)
    .await?)
}

/// Makes a cue of messages that are deleted for each device that was told of them. To be called before they are forgotten,
/// in the same transaction.
///
/// # Errors
/// When the database does.
pub async fn cue_deletions(conn: &mut Connection, messages: &[MessageId], times: CueTimes) -> Result<usize, Error> {
    let shown = "SELECT d.device_id, d.user_id, d.chat_id, d.seq \
         FROM unnest($4, $5) AS m (chat_id, seq) JOIN deliveries d ON d.chat_id = m.chat_id AND d.seq = m.seq \
         WHERE d.state = 'sent' AND NOT d.is_withdrawn";
    Ok(cue_deleted(shown, times)
        .bind::<Array<SqlUuid>, _>(messages.iter().map(|message| message.chat_id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.seq.as_i64()).collect::<Vec<_>>())
        .execute(conn)
        .await?)
}

/// The same of all messages of chats that are deleted.
///
/// # Errors
/// When the database does.
pub async fn cue_deleted_chats(conn: &mut Connection, chats: &[ChatId], times: CueTimes) -> Result<usize, Error> {
    let shown = "SELECT d.device_id, d.user_id, d.chat_id, d.seq FROM deliveries d \
         WHERE d.chat_id = ANY ($4) AND d.state = 'sent' AND NOT d.is_withdrawn";
    let chats: Vec<Uuid> = chats.iter().map(ChatId::as_uuid).collect();
    Ok(cue_deleted(shown, times).bind::<Array<SqlUuid>, _>(chats).execute(conn).await?)
}

/// Of deliveries that were sent: makes cues of what was read or deleted while they were on their way. To be called after
/// that they were sent is kept, in the same transaction: who reads or deletes later finds it.
///
/// # Errors
/// When the database does.
pub async fn cue_overtaken(conn: &mut Connection, sent: &[&Delivery], times: CueTimes) -> Result<usize, Error> {
    let rows: Vec<Overtaken> = sql_query(
        "SELECT s.device_id, s.user_id, s.chat_id, s.seq, r.read_seq, n.seq IS NULL AS is_deleted \
         FROM unnest($1, $2, $3, $4) AS s (device_id, user_id, chat_id, seq) \
         LEFT JOIN notifications n ON n.chat_id = s.chat_id AND n.seq = s.seq \
         LEFT JOIN read_cursors r ON r.user_id = s.user_id AND r.chat_id = s.chat_id \
         WHERE n.seq IS NULL OR r.read_seq >= s.seq",
    )
    .bind::<Array<SqlUuid>, _>(sent.iter().map(|sent| sent.address.device_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(sent.iter().map(|sent| sent.address.user_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(sent.iter().map(|sent| sent.message_id.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(sent.iter().map(|sent| sent.message_id.seq.as_i64()).collect::<Vec<_>>())
    .load(conn)
    .await?;
    let mut cued = 0;
    let reads: Vec<ReadUpTo> = rows.iter().filter_map(Overtaken::read).collect();
    if !reads.is_empty() {
        cued += cue_reads(conn, &reads, times).await?;
    }
    let deleted: Vec<&Overtaken> = rows.iter().filter(|row| row.is_deleted).collect();
    if !deleted.is_empty() {
        let shown = "SELECT * FROM unnest($4, $5, $6, $7) AS s (device_id, user_id, chat_id, seq)";
        cued += cue_deleted(shown, times)
            .bind::<Array<SqlUuid>, _>(deleted.iter().map(|row| row.device_id).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(deleted.iter().map(|row| row.user_id).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(deleted.iter().map(|row| row.chat_id).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(deleted.iter().map(|row| row.seq).collect::<Vec<_>>())
            .execute(conn)
            .await?;
    }
    Ok(cued)
}

/// Cues for the devices, users, chats and seqs that the query `shown` gives; it binds from `$4` on.
fn cue_deleted(shown: &str, times: CueTimes) -> BoxedSqlQuery<'static, diesel::pg::Pg, SqlQuery> {
    let newest = i32::try_from(DELETED_SEQS_MAX).unwrap_or(i32::MAX);
    let query = format!(
        "INSERT INTO cues AS kept (device_id, subject_id, kind, user_id, provider, purpose, seqs, due_at, expires_at) \
         SELECT s.device_id, s.chat_id, 'messages_deleted', a.user_id, a.provider, 'alert', \
             (array_agg(s.seq ORDER BY s.seq DESC))[1:$3], $1, $2 \
         FROM ({shown}) AS s \
         JOIN addresses a ON a.device_id = s.device_id AND a.user_id = s.user_id AND a.purpose = 'alert' \
             AND a.provider <> 'web' \
         GROUP BY s.device_id, s.chat_id, a.user_id, a.provider ORDER BY s.device_id, s.chat_id \
         ON CONFLICT (device_id, subject_id, kind) DO UPDATE SET \
             seqs = (CASE WHEN kept.state = 'pending' THEN excluded.seqs || kept.seqs ELSE excluded.seqs END)[1:$3], \
             version = kept.version + 1, state = 'pending', attempt_count = 0, due_at = excluded.due_at, \
             expires_at = excluded.expires_at, provider = excluded.provider, user_id = excluded.user_id"
    );
    sql_query(query)
        .into_boxed()
        .bind::<Timestamptz, _>(times.deletions_at)
        .bind::<Timestamptz, _>(times.until)
        .bind::<Integer, _>(newest)
}

/// A delivery that was sent although it should not be shown any more.
#[derive(QueryableByName)]
struct Overtaken {
    #[diesel(sql_type = SqlUuid)]
    device_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    read_seq: Option<i64>,
    #[diesel(sql_type = Bool)]
    is_deleted: bool,
}

impl Overtaken {
    fn read(&self) -> Option<ReadUpTo> {
        let seq = self.read_seq.filter(|_| !self.is_deleted)?;
        Some(ReadUpTo {
            user_id: UserId::from_uuid(self.user_id),
            chat_id: ChatId::from_uuid(self.chat_id),
            seq: Seq::from_i64(seq),
        })
    }
}
