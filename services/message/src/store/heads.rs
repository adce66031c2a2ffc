use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::message_row::OptionalMessageRow;
use super::prepared::Prepared;
use crate::domain::limits::UNREAD_MAX;
use crate::domain::{Cursors, Epoch, Message};

/// Where a chat's log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The chat.
    pub chat_id: ChatId,
    /// The newest update.
    pub last_seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
}

/// Where a chat's log stands, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenHead {
    /// The head.
    pub head: LogHead,
    /// The newest message that is there for them.
    pub last_message: Option<Message>,
    /// Messages of others that they have not read; counted to 10,000.
    pub unread_count: u32,
    /// Of them, those that mention them.
    pub unread_mention_count: u32,
    /// How far they have read.
    pub read_seq: Seq,
    /// Nothing before it is for them.
    pub visible_from_seq: Seq,
    /// The log does not know yet where the viewer stands.
    pub is_viewer_unknown: bool,
    /// The newest pin first.
    pub pinned: Vec<Seq>,
    /// How far the others have come; none in chats with more of them than asked for.
    pub receipts: Vec<(UserId, Cursors)>,
}

/// Whose receipts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedReceipts {
    /// Those of the other one of two.
    OfPairs,
    /// Those of chats with at most 200 members.
    OfAll,
}

#[derive(QueryableByName)]
struct HeadRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
}

impl From<HeadRow> for LogHead {
    fn from(row: HeadRow) -> Self {
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            last_seq: Seq::from_i64(row.last_seq),
            epoch: Epoch::from_store(row.epoch),
        }
    }
}

/// The heads of chats; those without a log are absent.
///
/// # Errors
/// When the database does.
pub async fn heads(conn: &mut Connection, chats: &[ChatId]) -> Result<Vec<LogHead>, Error> {
    let query = sql_query("SELECT chat_id, last_seq, epoch FROM chat_heads WHERE chat_id = ANY ($1) AND last_seq > 0")
        .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>());
    let rows: Vec<HeadRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(LogHead::from).collect())
}

#[derive(QueryableByName)]
struct SeenRow {
    #[diesel(embed)]
    head: HeadRow,
    #[diesel(embed)]
    message: OptionalMessageRow,
    #[diesel(sql_type = BigInt)]
    unread_count: i64,
    #[diesel(sql_type = BigInt)]
    unread_mention_count: i64,
    #[diesel(sql_type = BigInt)]
    read_seq: i64,
    #[diesel(sql_type = BigInt)]
    visible_from_seq: i64,
    #[diesel(sql_type = Bool)]
    is_viewer_unknown: bool,
    #[diesel(sql_type = Array<BigInt>)]
    pinned: Vec<i64>,
    #[diesel(sql_type = Array<SqlUuid>)]
    users: Vec<Uuid>,
    #[diesel(sql_type = Array<BigInt>)]
    reads: Vec<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    delivered: Vec<i64>,
    #[diesel(sql_type = Bool)]
    has_receipts: bool,
}

impl SeenRow {
    fn into_head(self, viewer: UserId) -> SeenHead {
        let head = LogHead::from(self.head);
        let cursors = self.reads.iter().zip(&self.delivered).map(|(read, delivered)| Cursors {
            read_seq: Seq::from_i64(*read),
            delivered_seq: Seq::from_i64(*delivered),
        });
        let receipts = self.users.iter().map(|user| UserId::from_uuid(*user)).zip(cursors);
        SeenHead {
            last_message: self.message.into_message(head.chat_id),
            unread_count: u32::try_from(self.unread_count).unwrap_or(u32::MAX),
            unread_mention_count: u32::try_from(self.unread_mention_count).unwrap_or(u32::MAX),
            read_seq: Seq::from_i64(self.read_seq),
            visible_from_seq: Seq::from_i64(self.visible_from_seq),
            is_viewer_unknown: self.is_viewer_unknown,
            pinned: self.pinned.into_iter().map(Seq::from_i64).collect(),
            receipts: receipts.filter(|(user, _)| self.has_receipts && *user != viewer).collect(),
            head,
        }
    }
}

/// The heads of chats as a member sees them; those without a log are absent.
///
/// # Errors
/// When the database does.
pub async fn seen_heads(
    conn: &mut Connection,
    chats: &[ChatId],
    viewer: UserId,
    wanted: WantedReceipts,
) -> Result<Vec<SeenHead>, Error> {
    let members_max = match wanted {
        WantedReceipts::OfPairs => 2,
        WantedReceipts::OfAll => i64::from(RECEIPT_MEMBERS_MAX),
    };
    let query = sql_query(SEEN_HEADS)
        .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>())
        .bind::<SqlUuid, _>(viewer.as_uuid())
        .bind::<BigInt, _>(members_max)
        .bind::<BigInt, _>(i64::from(UNREAD_MAX));
    let rows: Vec<SeenRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.into_head(viewer)).collect())
}

/// Who has no row among three or more is not yet known to the log: nothing is theirs before the update by which they
/// come. The two of a direct chat from before there were rows have all of it. What one sends oneself is never unread, so
/// that nothing is counted in Saved Messages.
///
/// Of what follows the read position only the first fifty thousand messages are looked at: whoever writes without end and
/// never reads must not make a list of chats slow.
///
/// The order within the counts has them walk the key and stop at the limit, and `OFFSET 0` keeps the look for hidden ones a
/// probe of the key for each message: otherwise a plan made while there are few reads all rows of the chat, or of the member.
const SEEN_HEADS: &str = "
    SELECT h.chat_id, h.last_seq, h.epoch,
        m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions, m.edited_at, m.edit_count,
        m.deleted_at,
        (SELECT r.emoji FROM reactions r WHERE r.chat_id = h.chat_id AND r.seq = m.seq AND r.user_id = $2) AS my_reaction,
        unread.count AS unread_count, mentioned.count AS unread_mention_count,
        s.read_seq, s.visible_from_seq, p.user_id IS NULL AS is_viewer_unknown, pinned.seqs AS pinned,
        r.users, r.reads, r.delivered, cardinality(r.users) <= $3 AS has_receipts
    FROM chat_heads h
    LEFT JOIN participants p ON p.chat_id = h.chat_id AND p.user_id = $2
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(x.user_id), '{}') AS users, coalesce(array_agg(x.read_seq), '{}') AS reads,
            coalesce(array_agg(x.delivered_seq), '{}') AS delivered
        FROM (
            SELECT user_id, read_seq, delivered_seq FROM participants WHERE chat_id = h.chat_id
            ORDER BY chat_id, user_id LIMIT $3 + 1
        ) AS x
    ) AS r
    CROSS JOIN LATERAL (
        SELECT coalesce(p.cleared_seq, 0) AS cleared_seq,
            CASE WHEN p.user_id IS NULL AND cardinality(r.users) > 2 THEN h.last_seq
                ELSE greatest(p.read_seq, p.joined_seq, 0) END AS read_seq,
            CASE WHEN p.user_id IS NULL AND cardinality(r.users) > 2 THEN h.last_seq + 1
                ELSE coalesce(p.visible_from_seq, 0) END AS visible_from_seq,
            CASE WHEN h.chat_id = $2 THEN h.last_seq
                WHEN p.user_id IS NULL AND cardinality(r.users) > 2 THEN h.last_seq
                ELSE greatest(p.read_seq, p.joined_seq, p.cleared_seq, 0) END AS counted_from
    ) AS s
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM hidden_messages x WHERE x.chat_id = h.chat_id AND x.user_id = $2 AND x.seq > s.counted_from
        ) AS unread_ones
    ) AS hides
    LEFT JOIN LATERAL (
        SELECT one.* FROM messages one
        WHERE one.chat_id = h.chat_id AND one.seq >= s.visible_from_seq AND one.seq > s.cleared_seq
            AND one.deleted_at IS NULL AND NOT EXISTS (
                SELECT FROM hidden_messages x WHERE x.chat_id = one.chat_id AND x.user_id = $2 AND x.seq = one.seq OFFSET 0
            )
        ORDER BY one.seq DESC LIMIT 1
    ) AS m ON true
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM (
                SELECT m.chat_id, m.seq, m.sender_id, m.deleted_at FROM messages m
                WHERE m.chat_id = h.chat_id AND m.seq > s.counted_from ORDER BY m.chat_id, m.seq LIMIT 5 * $4
            ) AS one
            WHERE one.sender_id <> $2 AND one.deleted_at IS NULL AND (NOT hides.unread_ones OR NOT EXISTS (
                SELECT FROM hidden_messages x WHERE x.chat_id = one.chat_id AND x.user_id = $2 AND x.seq = one.seq OFFSET 0
            ))
            LIMIT $4
        ) AS counted
    ) AS unread
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM mentions one
            WHERE one.chat_id = h.chat_id AND one.user_id = $2 AND one.seq > s.counted_from AND NOT EXISTS (
                SELECT FROM hidden_messages x WHERE x.chat_id = one.chat_id AND x.user_id = $2 AND x.seq = one.seq OFFSET 0
            )
            ORDER BY one.chat_id, one.user_id, one.seq LIMIT $4
        ) AS counted
    ) AS mentioned
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(x.seq ORDER BY x.pinned_seq DESC), '{}') AS seqs
        FROM pins x WHERE x.chat_id = h.chat_id AND x.seq >= s.visible_from_seq
    ) AS pinned
    WHERE h.chat_id = ANY ($1) AND h.last_seq > 0";

/// The place of a chat in a chat list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatRank {
    /// The chat.
    pub chat_id: ChatId,
    /// When its newest message was sent, or its log began.
    pub active_at: OffsetDateTime,
}

#[derive(QueryableByName)]
struct RankRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    active_at: OffsetDateTime,
}

/// The first `limit` chats behind a place, the one with the newest message first.
///
/// # Errors
/// When the database does.
pub async fn rank_chats(
    conn: &mut Connection,
    chats: &[ChatId],
    after: Option<ChatRank>,
    limit: u32,
) -> Result<Vec<ChatRank>, Error> {
    let query = sql_query(
        "SELECT h.chat_id, coalesce(h.active_at, h.changed_at) AS active_at FROM chat_heads h
         WHERE h.chat_id = ANY ($1) AND h.last_seq > 0
             AND ($2 IS NULL OR (coalesce(h.active_at, h.changed_at), h.chat_id) < ($2, $3))
         ORDER BY 2 DESC, 1 DESC LIMIT $4",
    )
    .bind::<Array<SqlUuid>, _>(chats.iter().map(ChatId::as_uuid).collect::<Vec<_>>())
    .bind::<Nullable<Timestamptz>, _>(after.map(|rank| rank.active_at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|rank| rank.chat_id.as_uuid()))
    .bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<RankRow> = Prepared(query).load(conn).await?;
    let ranks =
        rows.into_iter().map(|row| ChatRank { chat_id: ChatId::from_uuid(row.chat_id), active_at: row.active_at });
    Ok(ranks.collect())
}
