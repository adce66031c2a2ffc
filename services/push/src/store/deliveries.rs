use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, DeviceId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Address, Delivery, Keys, Provider, Purpose};

/// Google keeps messages of four chats apart for a device that is away. One less, since the record of a chat goes with its
/// last message, and not what waits at Google.
const FEW_CHATS: i64 = 3;

/// Which deliveries are claimed.
pub struct Claim<'a> {
    /// Of which push service.
    pub provider: Provider,
    /// How many at most; one of a device.
    pub limit: i64,
    /// None of these devices.
    pub busy: &'a [DeviceId],
    /// The present.
    pub now: OffsetDateTime,
    /// When they are due again if the claimer dies.
    pub until: OffsetDateTime,
}

/// Claims due deliveries.
///
/// # Errors
/// When the database does.
pub async fn claim_due(conn: &mut Connection, claim: &Claim<'_>) -> Result<Vec<Delivery>, Error> {
    let busy: Vec<Uuid> = claim.busy.iter().map(DeviceId::as_uuid).collect();
    let rows: Vec<Row> = sql_query(
        "WITH due AS ( \
             SELECT device_id, chat_id, seq, due_at FROM deliveries \
             WHERE provider = $5 AND state = 'pending' AND due_at <= $1 AND device_id <> ALL ($2) \
             ORDER BY due_at LIMIT 8 * $3 \
         ), first AS ( \
             SELECT DISTINCT ON (device_id) device_id, chat_id, seq, due_at FROM due \
             ORDER BY device_id, due_at, chat_id, seq \
         ), claimed AS ( \
             SELECT d.device_id, d.chat_id, d.seq FROM deliveries d JOIN first USING (device_id, chat_id, seq) \
             WHERE d.state = 'pending' AND d.due_at <= $1 \
             ORDER BY first.due_at LIMIT $3 FOR NO KEY UPDATE OF d SKIP LOCKED \
         ), taken AS ( \
             UPDATE deliveries d SET due_at = $4, attempt_count = attempt_count + 1 \
             FROM claimed c WHERE d.device_id = c.device_id AND d.chat_id = c.chat_id AND d.seq = c.seq \
             RETURNING d.device_id, d.chat_id, d.seq, d.attempt_count, d.is_mention, d.user_id \
         ) \
         SELECT t.device_id, t.chat_id, t.seq, t.attempt_count, t.is_mention, a.user_id, a.address, a.p256dh, a.auth, \
             n.expires_at, coalesce(r.read_seq, 0) >= t.seq AS is_read, \
             CASE WHEN $5 = 'fcm' THEN ( \
                 WITH RECURSIVE told (chat_id) AS ( \
                     (SELECT o.chat_id FROM deliveries o WHERE o.device_id = t.device_id ORDER BY 1 LIMIT 1) \
                     UNION ALL \
                     SELECT (SELECT o.chat_id FROM deliveries o \
                             WHERE o.device_id = t.device_id AND o.chat_id > told.chat_id ORDER BY 1 LIMIT 1) \
                     FROM told WHERE told.chat_id IS NOT NULL \
                 ) \
                 SELECT count(*) <= $6 FROM (SELECT FROM told WHERE chat_id IS NOT NULL LIMIT $6 + 1) AS few \
             ) ELSE true END AS is_of_few_chats \
         FROM taken t \
         JOIN addresses a ON a.device_id = t.device_id AND a.purpose = 'alert' AND a.provider = $5 \
             AND a.user_id = coalesce(t.user_id, a.user_id) \
         JOIN notifications n ON n.chat_id = t.chat_id AND n.seq = t.seq \
         LEFT JOIN read_cursors r ON r.user_id = a.user_id AND r.chat_id = t.chat_id",
    )
    .bind::<Timestamptz, _>(claim.now)
    .bind::<Array<SqlUuid>, _>(busy)
    .bind::<BigInt, _>(claim.limit)
    .bind::<Timestamptz, _>(claim.until)
    .bind::<Text, _>(claim.provider.as_str())
    .bind::<BigInt, _>(FEW_CHATS)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.delivery(claim.provider)).collect())
}

/// Gives claimed deliveries back untried: they are due again at `due_at`.
///
/// # Errors
/// When the database does.
pub async fn release(conn: &mut Connection, claimed: &[&Delivery], due_at: OffsetDateTime) -> Result<(), Error> {
    let (devices, chats, seqs) = keys(claimed.iter().copied());
    sql_query(
        "UPDATE deliveries d SET due_at = $4, attempt_count = attempt_count - 1 \
         FROM unnest($1, $2, $3) AS c (device_id, chat_id, seq) \
         WHERE d.device_id = c.device_id AND d.chat_id = c.chat_id AND d.seq = c.seq AND d.state = 'pending'",
    )
    .bind::<Array<SqlUuid>, _>(devices)
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Timestamptz, _>(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was taken.
    Sent,
    /// It is given up.
    Failed,
    /// It was not to be made any more.
    Cancelled,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Keeps how deliveries ended, each with a word on why.
///
/// # Errors
/// When the database does.
pub async fn finish(
    conn: &mut Connection,
    ended: &[(&Delivery, End, &'static str)],
    now: OffsetDateTime,
) -> Result<(), Error> {
    let (devices, chats, seqs) = keys(ended.iter().map(|(delivery, ..)| *delivery));
    sql_query(
        "UPDATE deliveries d SET state = e.state, outcome = e.outcome, finished_at = $6 \
         FROM unnest($1, $2, $3, $4, $5) AS e (device_id, chat_id, seq, state, outcome) \
         WHERE d.device_id = e.device_id AND d.chat_id = e.chat_id AND d.seq = e.seq",
    )
    .bind::<Array<SqlUuid>, _>(devices)
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Text>, _>(ended.iter().map(|(_, end, _)| end.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ended.iter().map(|(.., outcome)| *outcome).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a delivery due again at an instant, and nothing else for the device before.
///
/// # Errors
/// When the database does.
pub async fn postpone(conn: &mut Connection, delivery: &Delivery, until: OffsetDateTime) -> Result<(), Error> {
    super::pause_address(conn, &delivery.address, until).await?;
    sql_query(
        "UPDATE deliveries \
         SET due_at = CASE WHEN chat_id = $2 AND seq = $3 THEN $4 ELSE greatest(due_at, $4) END \
         WHERE device_id = $1 AND state = 'pending'",
    )
    .bind::<SqlUuid, _>(delivery.address.device_id.as_uuid())
    .bind::<SqlUuid, _>(delivery.message_id.chat_id.as_uuid())
    .bind::<BigInt, _>(delivery.message_id.seq.as_i64())
    .bind::<Timestamptz, _>(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what was to be told of these messages, and who has been told; tells of how many there was something.
///
/// # Errors
/// When the database does.
pub async fn delete_messages(conn: &mut Connection, messages: &[MessageId]) -> Result<usize, Error> {
    Ok(sql_query(
        "DELETE FROM notifications n USING unnest($1, $2) AS m (chat_id, seq) \
         WHERE n.chat_id = m.chat_id AND n.seq = m.seq",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|message| message.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.seq.as_i64()).collect::<Vec<_>>())
    .execute(conn)
    .await?)
}

/// Forgets what was to be told of all messages of these chats.
///
/// # Errors
/// When the database does.
pub async fn delete_chats(conn: &mut Connection, chats: &[ChatId]) -> Result<usize, Error> {
    let chats: Vec<Uuid> = chats.iter().map(ChatId::as_uuid).collect();
    let query = sql_query("DELETE FROM notifications WHERE chat_id = ANY ($1)");
    Ok(query.bind::<Array<SqlUuid>, _>(chats).execute(conn).await?)
}

/// Gives up what is too old to be told, and tells how much that was. A claimed delivery is left to its claimer.
///
/// # Errors
/// When the database does.
pub async fn expire(conn: &mut Connection, now: OffsetDateTime) -> Result<usize, Error> {
    sql_query("UPDATE notifications SET fan_out_due_at = NULL WHERE fan_out_due_at IS NOT NULL AND expires_at <= $1")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    Ok(sql_query(
        "UPDATE deliveries d SET state = 'failed', outcome = 'expired', finished_at = $1 \
         FROM notifications n WHERE n.chat_id = d.chat_id AND n.seq = d.seq AND n.expires_at <= $1 \
         AND d.state = 'pending' AND d.due_at <= $1",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?)
}

/// Forgets messages that were too old to be told at an instant, with the records of who was told.
///
/// # Errors
/// When the database does.
pub async fn delete_records(conn: &mut Connection, expired_before: OffsetDateTime) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM notifications WHERE expires_at <= $1");
    Ok(query.bind::<Timestamptz, _>(expired_before).execute(conn).await?)
}

fn keys<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> (Vec<Uuid>, Vec<Uuid>, Vec<i64>) {
    let (mut devices, mut chats, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for delivery in deliveries {
        devices.push(delivery.address.device_id.as_uuid());
        chats.push(delivery.message_id.chat_id.as_uuid());
        seqs.push(delivery.message_id.seq.as_i64());
    }
    (devices, chats, seqs)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    device_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Integer)]
    attempt_count: i32,
    #[diesel(sql_type = Bool)]
    is_mention: bool,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Nullable<Binary>)]
    p256dh: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    auth: Option<Vec<u8>>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: OffsetDateTime,
    #[diesel(sql_type = Bool)]
    is_read: bool,
    #[diesel(sql_type = Bool)]
    is_of_few_chats: bool,
}

impl Row {
    fn delivery(self, provider: Provider) -> Delivery {
        let keys = self.p256dh.zip(self.auth).map(|(p256dh, auth)| Keys { p256dh, auth });
        Delivery {
            address: Address {
                device_id: DeviceId::from_uuid(self.device_id),
                user_id: UserId::from_uuid(self.user_id),
                provider,
                purpose: Purpose::Alert,
                text: self.address,
                keys,
            },
            message_id: MessageId { chat_id: ChatId::from_uuid(self.chat_id), seq: Seq::from_i64(self.seq) },
            attempt: self.attempt_count,
            is_mention: self.is_mention,
            is_read: self.is_read,
            is_of_few_chats: self.is_of_few_chats,
            expires_at: self.expires_at,
        }
    }
}
