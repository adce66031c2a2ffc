use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{Epoch, LogClock, MembershipVersion, StoredUpdate};

#[derive(QueryableByName)]
struct ClockRow {
    #[diesel(sql_type = Timestamptz)]
    now: OffsetDateTime,
    #[diesel(sql_type = SqlUuid)]
    generation: Uuid,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    open_since: Option<OffsetDateTime>,
}

/// The clock and the name of all logs, and since when transactions of this service are open.
///
/// A session tells `xact_start` from before its transaction does anything until after all see what it did. So a transaction
/// that is not listed is seen by who reads from now on, or it has yet to read the clock, which is past `now` then: `now`
/// is when this statement's own transaction began, which must have asked for no activity before. One counts before it has
/// a transaction id, too: it may have read the clock and wait for a lock. Only this service's role appends, and of its own
/// role a session is told everything; but nothing is known when one of them tracks no activities (`disabled`) or this one
/// acts as another role (its own state is hidden then), when a transaction is prepared, or on a standby, where the
/// primary's sessions are not listed. A transaction is listed as prepared before its session is done with it, so the
/// sessions are read first: the aggregate is there before `CASE` looks at anything.
///
/// # Errors
/// When the database does.
pub async fn log_clock(conn: &mut Connection) -> Result<LogClock, Error> {
    let query = sql_query(
        "SELECT now() AS now, generation, (
             SELECT CASE WHEN NOT bool_or(session.state = 'disabled') AND NOT EXISTS (
                 SELECT FROM pg_prepared_xact() p JOIN pg_database d ON d.oid = p.dbid WHERE d.datname = current_database()
             ) THEN min(session.xact_start) END
             FROM pg_stat_get_activity(pg_backend_pid()) own
             JOIN pg_stat_get_activity(NULL) session USING (datid, usesysid)
             WHERE own.state = 'active' AND NOT pg_is_in_recovery()
         ) AS open_since
         FROM log_generation WHERE is_only",
    );
    let ClockRow { now, generation, open_since } = Prepared(query).get_result(conn).await?;
    Ok(LogClock { now, generation, open_since })
}

/// A chat's log, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLog {
    /// The newest update.
    pub last_seq: Seq,
    /// The oldest update that may be synced.
    pub first_seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
    /// The version of the chat's member list.
    pub membership_version: MembershipVersion,
    /// The log knows where the viewer stands in it.
    pub is_participant: bool,
    /// Nothing before it is for the viewer.
    pub visible_from_seq: Seq,
    /// The updates asked for, in order.
    pub updates: Vec<StoredUpdate>,
}

#[derive(QueryableByName)]
struct ChatLogRow {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    first_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
    #[diesel(sql_type = Bool)]
    is_participant: bool,
    #[diesel(sql_type = BigInt)]
    visible_from_seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    payload: Option<Vec<u8>>,
}

/// Which part of a chat's log is wanted.
#[derive(Clone, Copy, Debug)]
pub struct LogPage {
    /// Whose log.
    pub chat_id: ChatId,
    /// Who will see it.
    pub viewer: UserId,
    /// Only updates above it.
    pub after: Seq,
    /// The most updates.
    pub limit: u32,
    /// The most bytes of them, but always one.
    pub max_bytes: usize,
}

/// A part of a chat's log; `None` when there is no log yet.
///
/// # Errors
/// When the database does.
pub async fn chat_log(conn: &mut Connection, page: LogPage) -> Result<Option<ChatLog>, Error> {
    let LogPage { chat_id, viewer, after, limit, max_bytes } = page;
    let query = sql_query(
        "SELECT h.last_seq, h.first_seq, h.epoch, h.membership_version, p.user_id IS NOT NULL AS is_participant,
             coalesce(p.visible_from_seq, 0) AS visible_from_seq, u.seq, u.payload
         FROM chat_heads h LEFT JOIN participants p ON p.chat_id = h.chat_id AND p.user_id = $5
         LEFT JOIN LATERAL (
             SELECT page.seq, page.payload,
                 sum(octet_length(page.payload)) OVER (ORDER BY page.seq) - octet_length(page.payload) AS bytes_before
             FROM (SELECT seq, payload FROM sync_log WHERE chat_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS page
         ) AS u ON u.bytes_before < $4
         WHERE h.chat_id = $1 AND h.last_seq > 0 ORDER BY u.seq",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(after.as_i64())
    .bind::<BigInt, _>(i64::from(limit))
    .bind::<BigInt, _>(i64::try_from(max_bytes).unwrap_or(i64::MAX))
    .bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<ChatLogRow> = Prepared(query).load(conn).await?;
    let Some(first) = rows.as_slice().first() else {
        return Ok(None);
    };
    let mut log = ChatLog {
        last_seq: Seq::from_i64(first.last_seq),
        first_seq: Seq::from_i64(first.first_seq),
        epoch: Epoch::from_store(first.epoch.clone()),
        membership_version: MembershipVersion::from_i64(first.membership_version),
        is_participant: first.is_participant,
        visible_from_seq: Seq::from_i64(first.visible_from_seq),
        updates: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        if let (Some(seq), Some(payload)) = (row.seq, row.payload) {
            log.updates.push(StoredUpdate { chat_id, seq: Seq::from_i64(seq), payload: payload.into() });
        }
    }
    Ok(Some(log))
}

/// A chat whose log changed after an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedChat {
    /// The chat.
    pub chat_id: ChatId,
    /// The newest update.
    pub last_seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
    /// The first update that occurred after the instant and is for the viewer.
    pub from_seq: Seq,
    /// Nothing before it is for the viewer.
    pub visible_from_seq: Seq,
    /// The log knows where the viewer stands in it.
    pub is_participant: bool,
}

#[derive(QueryableByName)]
struct ChangedRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = BigInt)]
    from_seq: i64,
    #[diesel(sql_type = BigInt)]
    visible_from_seq: i64,
    #[diesel(sql_type = Bool)]
    is_participant: bool,
}

/// Those of `chats` whose logs changed after `since`, in id order, at most `limit`.
///
/// # Errors
/// When the database does.
pub async fn changed_chats(
    conn: &mut Connection,
    chats: &[ChatId],
    viewer: UserId,
    since: OffsetDateTime,
    limit: u32,
) -> Result<Vec<ChangedChat>, Error> {
    let query = sql_query(
        "SELECT changed.chat_id, changed.last_seq, changed.epoch, p.user_id IS NOT NULL AS is_participant,
             greatest(first_seq_after(changed.chat_id, changed.first_seq, changed.last_seq, $2), p.visible_from_seq) AS from_seq,
             coalesce(p.visible_from_seq, 0) AS visible_from_seq
         FROM (
             SELECT chat_id, first_seq, last_seq, epoch FROM chat_heads
             WHERE chat_id = ANY ($1) AND changed_at > $2 AND last_seq >= first_seq
             ORDER BY chat_id LIMIT $3
         ) AS changed LEFT JOIN participants p ON p.chat_id = changed.chat_id AND p.user_id = $4
         ORDER BY changed.chat_id",
    )
    .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(i64::from(limit))
    .bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<ChangedRow> = Prepared(query).load(conn).await?;
    let changed = rows.into_iter().map(|row| ChangedChat {
        chat_id: ChatId::from_uuid(row.chat_id),
        last_seq: Seq::from_i64(row.last_seq),
        epoch: Epoch::from_store(row.epoch),
        from_seq: Seq::from_i64(row.from_seq),
        visible_from_seq: Seq::from_i64(row.visible_from_seq),
        is_participant: row.is_participant,
    });
    Ok(changed.collect())
}

#[derive(QueryableByName)]
struct UpdateRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
}

/// The updates of several chats, each from a seq on, in chat and seq order: at most `limit`, and no more than
/// `max_bytes`, but always one.
///
/// # Errors
/// When the database does.
pub async fn updates_from(
    conn: &mut Connection,
    starts: &[(ChatId, Seq)],
    limit: u32,
    max_bytes: usize,
) -> Result<Vec<StoredUpdate>, Error> {
    let query = sql_query(
        "SELECT chat_id, seq, payload FROM (
             SELECT page.*, sum(octet_length(payload)) OVER (ORDER BY chat_id, seq)
                 - octet_length(payload) AS bytes_before
             FROM (
                 SELECT s.chat_id, u.seq, u.payload
                 FROM unnest($1, $2) AS s (chat_id, from_seq) CROSS JOIN LATERAL (
                     SELECT seq, payload FROM sync_log
                     WHERE chat_id = s.chat_id AND seq >= s.from_seq ORDER BY seq LIMIT $3
                 ) AS u
                 ORDER BY s.chat_id, u.seq LIMIT $3
             ) AS page
         ) AS measured WHERE bytes_before < $4 ORDER BY chat_id, seq",
    )
    .bind::<Array<SqlUuid>, _>(starts.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(starts.iter().map(|(_, seq)| seq.as_i64()).collect::<Vec<_>>())
    .bind::<BigInt, _>(i64::from(limit))
    .bind::<BigInt, _>(i64::try_from(max_bytes).unwrap_or(i64::MAX));
    let rows: Vec<UpdateRow> = Prepared(query).load(conn).await?;
    let updates = rows.into_iter().map(|row| StoredUpdate {
        chat_id: ChatId::from_uuid(row.chat_id),
        seq: Seq::from_i64(row.seq),
        payload: row.payload.into(),
    });
    Ok(updates.collect())
}
