use diesel::prelude::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::invites;
use super::{count_from, int};
use crate::domain::{Invite, InviteCode};

type Row = (String, Uuid, Uuid, OffsetDateTime, Option<OffsetDateTime>, i32, i32, bool);

fn decode_invite(row: Row) -> Invite {
    let (code, chat_id, created_by, created_at, expires_at, uses_max, use_count, needs_approval) = row;
    Invite {
        code: InviteCode::from_store(code),
        chat_id: ChatId::from_uuid(chat_id),
        created_by: UserId::from_uuid(created_by),
        created_at,
        expires_at,
        uses_max: count_from(uses_max),
        use_count: count_from(use_count),
        needs_approval,
    }
}

const COLUMNS: (
    invites::code,
    invites::chat_id,
    invites::created_by,
    invites::created_at,
    invites::expires_at,
    invites::uses_max,
    invites::use_count,
    invites::needs_approval,
) = (
    invites::code,
    invites::chat_id,
    invites::created_by,
    invites::created_at,
    invites::expires_at,
    invites::uses_max,
    invites::use_count,
    invites::needs_approval,
);

/// Keeps an invite of a locked chat, made under this key.
///
/// # Errors
/// When the database does.
pub async fn insert_invite(conn: &mut Connection, invite: &Invite, key: Option<&str>) -> Result<(), Error> {
    diesel::insert_into(invites::table)
        .values((
            invites::code.eq(invite.code.as_str()),
            invites::chat_id.eq(invite.chat_id.as_uuid()),
            invites::created_by.eq(invite.created_by.as_uuid()),
            invites::created_at.eq(invite.created_at),
            invites::expires_at.eq(invite.expires_at),
            invites::uses_max.eq(int(invite.uses_max)),
            invites::use_count.eq(int(invite.use_count)),
            invites::needs_approval.eq(invite.needs_approval),
            invites::idempotency_key.eq(key),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// What somebody made under this key in a locked chat, valid or not.
///
/// # Errors
/// When the database does.
pub async fn invite_of_key(
    conn: &mut Connection,
    chat_id: ChatId,
    created_by: UserId,
    key: &str,
) -> Result<Option<Invite>, Error> {
    let row: Option<Row> = invites::table
        .filter(invites::chat_id.eq(chat_id.as_uuid()))
        .filter(invites::created_by.eq(created_by.as_uuid()))
        .filter(invites::idempotency_key.eq(key))
        .select(COLUMNS)
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(decode_invite))
}

/// The invite with this code, valid or not.
///
/// # Errors
/// When the database does.
pub async fn invite_of(conn: &mut Connection, code: &InviteCode) -> Result<Option<Invite>, Error> {
    let row: Option<Row> = invites::table.find(code.as_str()).select(COLUMNS).first(conn).await.optional()?;
    Ok(row.map(decode_invite))
}

/// The same, locked until the transaction ends. Its chat is locked before.
///
/// # Errors
/// When the database does.
pub async fn lock_invite(conn: &mut Connection, code: &InviteCode) -> Result<Option<Invite>, Error> {
    let row = invites::table.find(code.as_str()).select(COLUMNS).for_no_key_update();
    let row: Option<Row> = row.first(conn).await.optional()?;
    Ok(row.map(decode_invite))
}

/// Counts a use of a locked invite.
///
/// # Errors
/// When the database does.
pub async fn use_invite(conn: &mut Connection, code: &InviteCode) -> Result<(), Error> {
    diesel::update(invites::table.find(code.as_str()))
        .set(invites::use_count.eq(invites::use_count + 1))
        .execute(conn)
        .await?;
    Ok(())
}

/// The invites of a chat by which somebody may come at an instant, the newest first.
///
/// # Errors
/// When the database does.
pub async fn invites_of(conn: &mut Connection, chat_id: ChatId, now: OffsetDateTime) -> Result<Vec<Invite>, Error> {
    let rows: Vec<Row> = invites::table
        .filter(invites::chat_id.eq(chat_id.as_uuid()))
        .filter(invites::expires_at.is_null().or(invites::expires_at.gt(now)))
        .filter(invites::uses_max.eq(0).or(invites::use_count.lt(invites::uses_max)))
        .order((invites::created_at.desc(), invites::code))
        .select(COLUMNS)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(decode_invite).collect())
}

/// Forgets invites of a chat that were made before an instant and that nobody can come by any more.
///
/// # Errors
/// When the database does.
pub async fn delete_stale_invites(
    conn: &mut Connection,
    chat_id: ChatId,
    made_before: OffsetDateTime,
) -> Result<(), Error> {
    diesel::sql_query(
        "DELETE FROM invites WHERE chat_id = $1 AND created_at < $2
         AND (expires_at <= $2 OR (uses_max > 0 AND use_count >= uses_max))",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<Timestamptz, _>(made_before)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets one invite of a chat, or all.
///
/// # Errors
/// When the database does.
pub async fn revoke_invites(conn: &mut Connection, chat_id: ChatId, code: Option<&InviteCode>) -> Result<(), Error> {
    let of_chat = invites::chat_id.eq(chat_id.as_uuid());
    match code {
        Some(code) => {
            let one = invites::table.filter(of_chat).filter(invites::code.eq(code.as_str()));
            diesel::delete(one).execute(conn).await?
        }
        None => diesel::delete(invites::table.filter(of_chat)).execute(conn).await?,
    };
    Ok(())
}
