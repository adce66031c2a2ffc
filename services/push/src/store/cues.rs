use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::{CallId, DeviceId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Claim;
use crate::domain::{Address, Keys, Provider, Purpose};

/// What a device is told besides messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CueKind {
    /// The chat was read up to here.
    ChatRead(i64),
    /// These messages are deleted.
    MessagesDeleted(Vec<i64>),
    /// A call rings: an encoded `godwit.v1.Call`.
    CallRinging(Vec<u8>),
    /// A call does not ring any more: an encoded `godwit.v1.Call`.
    CallOver(Vec<u8>),
}

impl CueKind {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::ChatRead(_) => "chat_read",
            Self::MessagesDeleted(_) => "messages_deleted",
            Self::CallRinging(_) => "call_ringing",
            Self::CallOver(_) => "call_over",
        }
    }
}

/// A claimed try: one cue to one device.
pub struct Cue {
    /// Where it goes.
    pub address: Address,
    /// The chat or the call.
    pub subject_id: Uuid,
    /// What it tells.
    pub kind: CueKind,
    /// What it was when it was claimed.
    pub version: i64,
    /// Which try this is, from 1 on.
    pub attempt: i32,
    /// When it is too late to tell.
    pub expires_at: OffsetDateTime,
}

/// Claims due cues of a push service. Those of addresses that are not registered any more are done with.
///
/// # Errors
/// When the database does.
pub async fn claim_cues(conn: &mut Connection, claim: &Claim<'_>) -> Result<Vec<Cue>, Error> {
    let busy: Vec<Uuid> = claim.busy.iter().map(DeviceId::as_uuid).collect();
    let rows: Vec<Row> = sql_query(
        "WITH claimed AS ( \
             SELECT device_id, subject_id, kind, user_id, purpose FROM cues \
             WHERE provider = $5 AND state = 'pending' AND due_at <= $1 AND expires_at > $1 AND device_id <> ALL ($2) \
             ORDER BY due_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED \
         ), addressed AS ( \
             SELECT c.device_id, c.subject_id, c.kind, a.address, a.p256dh, a.auth FROM claimed c \
             LEFT JOIN addresses a ON a.device_id = c.device_id AND a.purpose = c.purpose AND a.provider = $5 \
                 AND a.user_id = c.user_id \
         ), taken AS ( \
             UPDATE cues s SET due_at = $4, state = CASE WHEN a.address IS NULL THEN 'done' ELSE s.state END, \
                 attempt_count = s.attempt_count + CASE WHEN a.address IS NULL THEN 0 ELSE 1 END \
             FROM addressed a \
             WHERE s.device_id = a.device_id AND s.subject_id = a.subject_id AND s.kind = a.kind \
             RETURNING s.*, a.address, a.p256dh, a.auth \
         ) \
         SELECT device_id, subject_id, kind, user_id, purpose, read_seq, seqs, call, version, attempt_count, \
             expires_at, address, p256dh, auth \
         FROM taken WHERE address IS NOT NULL",
    )
    .bind::<Timestamptz, _>(claim.now)
    .bind::<Array<SqlUuid>, _>(busy)
    .bind::<BigInt, _>(claim.limit)
    .bind::<Timestamptz, _>(claim.until)
    .bind::<Text, _>(claim.provider.as_str())
    .load(conn)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.cue(claim.provider)).collect())
}

/// Keeps that a cue is done with, unless it was changed since it was claimed: then it is due again at `now`.
///
/// # Errors
/// When the database does.
pub async fn finish_cue(conn: &mut Connection, cue: &Cue, now: OffsetDateTime) -> Result<(), Error> {
    of_cue(
        cue,
        now,
        "UPDATE cues SET state = CASE WHEN version = $4 THEN 'done' ELSE state END, due_at = $5 \
         WHERE device_id = $1 AND subject_id = $2 AND kind = $3",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a cue due again at an instant, with so many tries made. One that was changed since it was claimed has its own
/// count.
///
/// # Errors
/// When the database does.
pub async fn postpone_cue(
    conn: &mut Connection,
    cue: &Cue,
    attempt_count: i32,
    until: OffsetDateTime,
) -> Result<(), Error> {
    of_cue(
        cue,
        until,
        "UPDATE cues SET attempt_count = CASE WHEN version = $4 THEN $6 ELSE attempt_count END, due_at = $5 \
         WHERE device_id = $1 AND subject_id = $2 AND kind = $3",
    )
    .bind::<Integer, _>(attempt_count)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sends a cue that was for calls by the device's common address, at once and as if it had not been tried, when the device
/// has no address for calls any more. Not one that was changed since it was claimed. Tells of how many it was.
///
/// # Errors
/// When the database does.
pub async fn readdress_cue(conn: &mut Connection, cue: &Cue, now: OffsetDateTime) -> Result<usize, Error> {
    Ok(of_cue(
        cue,
        now,
        "UPDATE cues c SET purpose = a.purpose, provider = a.provider, due_at = $5, attempt_count = 0, \
             version = c.version + 1 \
         FROM addresses a \
         WHERE c.device_id = $1 AND c.subject_id = $2 AND c.kind = $3 AND c.version = $4 \
             AND c.state = 'pending' AND c.purpose = 'voip' \
             AND a.device_id = c.device_id AND a.user_id = c.user_id AND a.purpose = 'alert' \
             AND NOT EXISTS (SELECT FROM push_tokens v \
                 WHERE v.device_id = c.device_id AND v.user_id = c.user_id AND v.purpose = 'voip')",
    )
    .execute(conn)
    .await?)
}

/// A statement on a cue: its key is `$1`, `$2` and `$3`, its version when it was claimed `$4`, the instant `$5`.
fn of_cue(cue: &Cue, at: OffsetDateTime, statement: &'static str) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    sql_query(statement)
        .into_boxed()
        .bind::<SqlUuid, _>(cue.address.device_id.as_uuid())
        .bind::<SqlUuid, _>(cue.subject_id)
        .bind::<Text, _>(cue.kind.as_str())
        .bind::<BigInt, _>(cue.version)
        .bind::<Timestamptz, _>(at)
}

/// A call that rings.
pub struct Ringing<'a> {
    /// The call.
    pub call_id: CallId,
    /// Whom it rings.
    pub callee: UserId,
    /// An encoded `godwit.v1.Call`.
    pub call: &'a [u8],
    /// The present.
    pub now: OffsetDateTime,
    /// Until when it rings.
    pub until: OffsetDateTime,
}

/// Makes a cue that a call rings for each device of somebody: by its address for calls, else by the common one. A call
/// that was cued before is not cued again.
///
/// # Errors
/// When the database does.
pub async fn cue_ringing(conn: &mut Connection, ringing: &Ringing<'_>) -> Result<usize, Error> {
    Ok(sql_query(
        "INSERT INTO cues (device_id, subject_id, kind, user_id, provider, purpose, call, due_at, expires_at) \
         SELECT DISTINCT ON (device_id) device_id, $1, 'call_ringing', user_id, provider, purpose, $3, $4, $5 \
         FROM addresses a WHERE user_id = $2 \
             AND NOT EXISTS (SELECT FROM cues o WHERE o.device_id = a.device_id AND o.subject_id = $1) \
         ORDER BY device_id, purpose DESC ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(ringing.call_id.as_uuid())
    .bind::<SqlUuid, _>(ringing.callee.as_uuid())
    .bind::<Binary, _>(ringing.call)
    .bind::<Timestamptz, _>(ringing.now)
    .bind::<Timestamptz, _>(ringing.until)
    .execute(conn)
    .await?)
}

/// The end of a call's ringing.
pub struct RingingOver<'a> {
    /// The call.
    pub call_id: CallId,
    /// Whom it rang.
    pub callee: UserId,
    /// Which device answered, if one did.
    pub answered_by: Option<DeviceId>,
    /// An encoded `godwit.v1.Call`.
    pub call: &'a [u8],
    /// The present.
    pub now: OffsetDateTime,
    /// When it is too late to tell.
    pub until: OffsetDateTime,
}

/// Ends the ringing of a call: devices that were told that it rings are told that it does not, but for the one that
/// answered; those that were not told yet never are, also when the ringing is told of later.
///
/// # Errors
/// When the database does.
pub async fn cue_call_over(conn: &mut Connection, over: &RingingOver<'_>) -> Result<usize, Error> {
    Ok(sql_query(
        "WITH stopped AS ( \
             UPDATE cues SET state = 'done', version = version + 1 \
             WHERE subject_id = $1 AND kind = 'call_ringing' AND state = 'pending' \
         ) \
         INSERT INTO cues (device_id, subject_id, kind, user_id, provider, purpose, state, call, due_at, expires_at) \
         SELECT DISTINCT ON (a.device_id) a.device_id, $1, 'call_over', a.user_id, a.provider, a.purpose, \
             CASE WHEN r.attempt_count > 0 AND ($2 IS NULL OR a.device_id <> $2) THEN 'pending' ELSE 'done' END, \
             $3, $4, $5 \
         FROM addresses a \
         LEFT JOIN cues r ON r.device_id = a.device_id AND r.subject_id = $1 AND r.kind = 'call_ringing' \
         WHERE a.user_id = $6 ORDER BY a.device_id, a.purpose DESC ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(over.call_id.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(over.answered_by.map(|device| device.as_uuid()))
    .bind::<Binary, _>(over.call)
    .bind::<Timestamptz, _>(over.now)
    .bind::<Timestamptz, _>(over.until)
    .bind::<SqlUuid, _>(over.callee.as_uuid())
    .execute(conn)
    .await?)
}

/// Forgets cues that are too late, or were a while ago.
///
/// # Errors
/// When the database does.
pub async fn delete_old_cues(conn: &mut Connection, now: OffsetDateTime) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM cues WHERE expires_at <= $1");
    Ok(query.bind::<Timestamptz, _>(now).execute(conn).await?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    device_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    purpose: String,
    #[diesel(sql_type = BigInt)]
    read_seq: i64,
    #[diesel(sql_type = Array<BigInt>)]
    seqs: Vec<i64>,
    #[diesel(sql_type = Binary)]
    call: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Integer)]
    attempt_count: i32,
    #[diesel(sql_type = Timestamptz)]
    expires_at: OffsetDateTime,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Nullable<Binary>)]
    p256dh: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    auth: Option<Vec<u8>>,
}

impl Row {
    /// None of a kind of another release.
    fn cue(self, provider: Provider) -> Option<Cue> {
        let kind = match self.kind.as_str() {
            "chat_read" => CueKind::ChatRead(self.read_seq),
            "messages_deleted" => CueKind::MessagesDeleted(self.seqs),
            "call_ringing" => CueKind::CallRinging(self.call),
            "call_over" => CueKind::CallOver(self.call),
            _ => return None,
        };
        let address = Address {
            device_id: DeviceId::from_uuid(self.device_id),
            user_id: UserId::from_uuid(self.user_id),
            provider,
            purpose: Purpose::from_store(&self.purpose),
            text: self.address,
            keys: self.p256dh.zip(self.auth).map(|(p256dh, auth)| Keys { p256dh, auth }),
        };
        Some(Cue {
            address,
            subject_id: self.subject_id,
            kind,
            version: self.version,
            attempt: self.attempt_count,
            expires_at: self.expires_at,
        })
    }
}
