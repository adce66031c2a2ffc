use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::NewMessage;

/// Messages and users of one statement, so that neither a busy chat nor a large one makes it long.
const MESSAGES_AT_ONCE: usize = 20;

/// The columns of messages as `unnest` takes them, each message once.
const GIVEN: &str = "SELECT DISTINCT ON (chat_id, seq) chat_id, seq, sender_id, sent_at, \
        coalesce(string_to_array(nullif(mentioned, ''), ',')::uuid[], '{}') AS mentioned, expires_at \
    FROM unnest($1, $2, $3, $4, $5, $6) AS m (chat_id, seq, sender_id, sent_at, mentioned, expires_at) \
    ORDER BY chat_id, seq";

/// A message that a release before [`note_messages`] began with, and did not finish, is done again.
const AGAIN: &str = "ON CONFLICT (chat_id, seq) DO UPDATE SET sender_id = excluded.sender_id, sent_at = excluded.sent_at, \
        mentioned = excluded.mentioned, fan_out_due_at = excluded.fan_out_due_at \
    WHERE kept.sender_id IS NULL";

// The delivery of a message `n` to an address `a`.
const DELIVERY_COLUMNS: &str = "device_id, chat_id, seq, user_id, provider, is_mention, due_at";
const DELIVERY: &str = "a.device_id, n.chat_id, n.seq, a.user_id, a.provider, a.user_id = ANY (n.mentioned)";
const DELIVERY_JOINS: &str = "LEFT JOIN read_cursors r ON r.user_id = a.user_id AND r.chat_id = n.chat_id \
    LEFT JOIN notification_settings s ON s.user_id = a.user_id";
const DELIVERY_RULE: &str = "a.purpose = 'alert' AND a.user_id <> n.sender_id AND coalesce(r.read_seq, 0) < n.seq";
/// Whether it is made for who has muted the chat.
const MENTION_PASSES: &str = "(a.user_id = ANY (n.mentioned) AND NOT coalesce(s.are_mentions_muted, false))";

type Messages = BoxedSqlQuery<'static, Pg, SqlQuery>;

/// Binds the columns of [`GIVEN`].
fn bind_messages(query: String, messages: &[(&NewMessage, OffsetDateTime)]) -> Messages {
    let mentioned =
        |message: &NewMessage| message.mentioned.iter().map(UserId::to_string).collect::<Vec<_>>().join(",");
    let (mut chat_ids, mut seqs, mut senders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sent_ats, mut mentions, mut expiries) = (Vec::new(), Vec::new(), Vec::new());
    for (message, expires_at) in messages {
        chat_ids.push(message.id.chat_id.as_uuid());
        seqs.push(message.id.seq.as_i64());
        senders.push(message.sender_id.as_uuid());
        sent_ats.push(message.sent_at);
        mentions.push(mentioned(message));
        expiries.push(*expires_at);
    }
    sql_query(query)
        .into_boxed()
        .bind::<Array<SqlUuid>, _>(chat_ids)
        .bind::<Array<BigInt>, _>(seqs)
        .bind::<Array<SqlUuid>, _>(senders)
        .bind::<Array<Timestamptz>, _>(sent_ats)
        .bind::<Array<Text>, _>(mentions)
        .bind::<Array<Timestamptz>, _>(expiries)
}

/// Notes messages whose recipients are still to be found; those that are known already stay as they are.
///
/// # Errors
/// When the database does.
pub async fn note_messages(
    conn: &mut Connection,
    messages: &[(&NewMessage, OffsetDateTime)],
    now: OffsetDateTime,
) -> Result<usize, Error> {
    let query = format!(
        "INSERT INTO notifications AS kept (chat_id, seq, sender_id, sent_at, mentioned, expires_at, fan_out_due_at) \
         SELECT m.*, $7 FROM ({GIVEN}) AS m {AGAIN}"
    );
    Ok(bind_messages(query, messages).bind::<Timestamptz, _>(now).execute(conn).await?)
}

/// Somebody in a chat who can be told.
#[derive(Clone, Copy, Debug)]
pub struct Recipient {
    /// The chat.
    pub chat_id: ChatId,
    /// The member.
    pub user_id: UserId,
    /// Whether they have muted it.
    pub is_muted: bool,
}

/// Notes messages with all their recipients, and makes a delivery of each to each of their devices, due at once or when the
/// device's pause ends. Those that are known already stay as they are. Tells how many deliveries were made.
///
/// # Errors
/// When the database does.
pub async fn note_and_deliver(
    conn: &mut Connection,
    messages: &[(&NewMessage, OffsetDateTime)],
    recipients: &[Recipient],
    now: OffsetDateTime,
) -> Result<usize, Error> {
    let query = format!(
        "WITH noted AS ( \
             INSERT INTO notifications AS kept (chat_id, seq, sender_id, sent_at, mentioned, expires_at) \
             SELECT m.* FROM ({GIVEN}) AS m {AGAIN} \
             RETURNING chat_id, seq, sender_id, mentioned \
         ) \
         INSERT INTO deliveries ({DELIVERY_COLUMNS}) \
         SELECT {DELIVERY}, greatest($10, a.paused_until) \
         FROM noted n \
         JOIN unnest($7, $8, $9) AS given (chat_id, user_id, is_muted) ON given.chat_id = n.chat_id \
         JOIN addresses a ON a.user_id = given.user_id {DELIVERY_JOINS} \
         WHERE {DELIVERY_RULE} AND (NOT given.is_muted OR {MENTION_PASSES}) \
         ORDER BY a.device_id, n.seq ON CONFLICT DO NOTHING"
    );
    let made = bind_messages(query, messages)
        .bind::<Array<SqlUuid>, _>(recipients.iter().map(|one| one.chat_id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(recipients.iter().map(|one| one.user_id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(recipients.iter().map(|one| one.is_muted).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(now);
    Ok(made.execute(conn).await?)
}

/// A message whose recipients are being found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// The message.
    pub message_id: MessageId,
    /// The last member who was looked at.
    pub after: Option<UserId>,
}

#[derive(QueryableByName)]
struct FanOutRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    fan_out_after: Option<Uuid>,
}

/// Claims messages whose recipients are still to be found until `claimed_until`: when the claimer dies, another goes on where
/// it was.
///
/// # Errors
/// When the database does.
pub async fn claim_fan_outs(
    conn: &mut Connection,
    limit: i64,
    now: OffsetDateTime,
    claimed_until: OffsetDateTime,
) -> Result<Vec<FanOut>, Error> {
    let rows: Vec<FanOutRow> = sql_query(
        "UPDATE notifications n SET fan_out_due_at = $2 FROM ( \
             SELECT chat_id, seq FROM notifications WHERE fan_out_due_at <= $1 \
             ORDER BY fan_out_due_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED \
         ) AS due WHERE n.chat_id = due.chat_id AND n.seq = due.seq \
         RETURNING n.chat_id, n.seq, n.fan_out_after",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(claimed_until)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let fan_out = |row: FanOutRow| FanOut {
        message_id: MessageId { chat_id: ChatId::from_uuid(row.chat_id), seq: Seq::from_i64(row.seq) },
        after: row.fan_out_after.map(UserId::from_uuid),
    };
    Ok(rows.into_iter().map(fan_out).collect())
}

/// Gives claimed messages back: they are due again at `due_at`, where they were.
///
/// # Errors
/// When the database does.
pub async fn release_fan_outs(
    conn: &mut Connection,
    chat_id: ChatId,
    seqs: &[Seq],
    due_at: OffsetDateTime,
) -> Result<(), Error> {
    sql_query(
        "UPDATE notifications SET fan_out_due_at = $3 \
         WHERE chat_id = $1 AND seq = ANY ($2) AND fan_out_due_at IS NOT NULL",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<Array<BigInt>, _>(seqs.iter().map(|seq| seq.as_i64()).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// What comes of a page of a chat's members.
pub struct MemberStep<'a> {
    /// The chat.
    pub chat_id: ChatId,
    /// The messages that the page is for.
    pub seqs: &'a [Seq],
    /// Those of the page who can be told.
    pub users: &'a [UserId],
    /// Those of them who have muted the chat.
    pub muted: &'a [UserId],
    /// The last member of the page; none when it was the last page.
    pub next_after: Option<UserId>,
}

/// Makes a delivery of each message to each device of these users, due at once or when the device's pause ends, and notes
/// how far that came, together: whoever goes on begins behind. Tells how many were made.
///
/// # Errors
/// When the database does.
pub async fn take_step(conn: &mut Connection, step: &MemberStep<'_>, now: OffsetDateTime) -> Result<usize, Error> {
    conn.transaction(async |conn| {
        let mut count = 0;
        for seqs in step.seqs.chunks(MESSAGES_AT_ONCE) {
            if !step.users.is_empty() {
                count += make_deliveries(conn, step, seqs, now).await?;
            }
            advance(conn, step, seqs, now).await?;
        }
        Ok(count)
    })
    .await
}

async fn make_deliveries(
    conn: &mut Connection,
    step: &MemberStep<'_>,
    seqs: &[Seq],
    now: OffsetDateTime,
) -> Result<usize, Error> {
    let query = format!(
        "INSERT INTO deliveries ({DELIVERY_COLUMNS}) \
         SELECT {DELIVERY}, greatest($5, a.paused_until) \
         FROM notifications n \
         CROSS JOIN addresses a {DELIVERY_JOINS} \
         WHERE n.chat_id = $1 AND n.seq = ANY ($2) AND a.user_id = ANY ($3) \
             AND {DELIVERY_RULE} AND (a.user_id <> ALL ($4) OR {MENTION_PASSES}) \
         ORDER BY a.device_id, n.seq ON CONFLICT DO NOTHING"
    );
    let made = sql_query(query)
        .bind::<SqlUuid, _>(step.chat_id.as_uuid())
        .bind::<Array<BigInt>, _>(seqs.iter().map(|seq| seq.as_i64()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(step.users.iter().map(UserId::as_uuid).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(step.muted.iter().map(UserId::as_uuid).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(now);
    Ok(made.execute(conn).await?)
}

/// A message that nobody is told of is forgotten when all were looked at.
async fn advance(conn: &mut Connection, step: &MemberStep<'_>, seqs: &[Seq], now: OffsetDateTime) -> Result<(), Error> {
    let seqs: Vec<i64> = seqs.iter().map(|seq| seq.as_i64()).collect();
    let due_at = step.next_after.map(|_| now);
    sql_query("UPDATE notifications SET fan_out_after = $3, fan_out_due_at = $4 WHERE chat_id = $1 AND seq = ANY ($2)")
        .bind::<SqlUuid, _>(step.chat_id.as_uuid())
        .bind::<Array<BigInt>, _>(&seqs)
        .bind::<Nullable<SqlUuid>, _>(step.next_after.map(|user| user.as_uuid()))
        .bind::<Nullable<Timestamptz>, _>(due_at)
        .execute(conn)
        .await?;
    if step.next_after.is_none() {
        sql_query(
            "DELETE FROM notifications n WHERE n.chat_id = $1 AND n.seq = ANY ($2) AND NOT EXISTS ( \
                 SELECT FROM deliveries d WHERE d.chat_id = n.chat_id AND d.seq = n.seq)",
        )
        .bind::<SqlUuid, _>(step.chat_id.as_uuid())
        .bind::<Array<BigInt>, _>(&seqs)
        .execute(conn)
        .await?;
    }
    Ok(())
}
