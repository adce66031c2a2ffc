use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::schema::{email_codes, registrations, users};
use super::{MailFacts, MailKind, Store, mails};
use crate::domain::{AskRefusal, Email, EmailCode};

#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = email_codes, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
struct CodeRow {
    code_hash: Option<Vec<u8>>,
    code_expires_at: Option<OffsetDateTime>,
    code_used_at: Option<OffsetDateTime>,
    wrong_try_count: i32,
    locked_until: Option<OffsetDateTime>,
    asked_at: Option<OffsetDateTime>,
    day_started_at: Option<OffsetDateTime>,
    day_ask_count: i32,
    updated_at: OffsetDateTime,
}

impl Store {
    /// Counts that a code was asked for, and queues its mail when there is something to confirm.
    pub async fn ask_code(&self, email: &Email, now: OffsetDateTime) -> Result<Result<(), AskRefusal>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let mut code = lock(conn, email, now).await?;
            if let Err(refusal) = code.ask(now) {
                return Ok(Err(refusal));
            }
            save(conn, email, code, now).await?;
            if is_waiting(conn, email, now).await? {
                mails::enqueue(conn, MailKind::VerificationCode, email, &MailFacts::default(), now).await?;
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Makes a code the newest of its address, just before it is sent; false when there is nothing left to confirm.
    pub async fn issue_code(
        &self,
        email: &Email,
        code_hash: [u8; 32],
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let mut code = lock(conn, email, now).await?;
            if !is_waiting(conn, email, now).await? {
                return Ok(false);
            }
            code.issue(code_hash, expires_at);
            save(conn, email, code, now).await?;
            Ok(true)
        })
        .await
    }
}

/// Whether a registration of this address can be confirmed.
async fn is_waiting(conn: &mut Connection, email: &Email, now: OffsetDateTime) -> Result<bool, Error> {
    let registered = registrations::table.find(email.as_str()).filter(registrations::expires_at.gt(now));
    let is_registered: bool = diesel::select(diesel::dsl::exists(registered)).get_result(conn).await?;
    Ok(is_registered && !is_known(conn, email).await?)
}

/// Whether an account has this address.
pub(super) async fn is_known(conn: &mut Connection, email: &Email) -> Result<bool, Error> {
    let user = users::table.filter(users::email.eq(email.as_str()));
    Ok(diesel::select(diesel::dsl::exists(user)).get_result(conn).await?)
}

/// The code and limits of an address, locked until the transaction ends: whatever concerns one address takes turns.
pub(super) async fn lock(conn: &mut Connection, email: &Email, now: OffsetDateTime) -> Result<EmailCode, Error> {
    diesel::insert_into(email_codes::table)
        .values((
            email_codes::email.eq(email.as_str()),
            email_codes::wrong_try_count.eq(0),
            email_codes::day_ask_count.eq(0),
            email_codes::updated_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let row: CodeRow =
        email_codes::table.find(email.as_str()).select(CodeRow::as_select()).for_update().get_result(conn).await?;
    Ok(EmailCode {
        code_hash: row.code_hash,
        code_expires_at: row.code_expires_at,
        code_used_at: row.code_used_at,
        wrong_try_count: row.wrong_try_count,
        locked_until: row.locked_until,
        asked_at: row.asked_at,
        day_started_at: row.day_started_at,
        day_ask_count: row.day_ask_count,
    })
}

/// Writes what [`lock`] read and a rule changed.
pub(super) async fn save(
    conn: &mut Connection,
    email: &Email,
    code: EmailCode,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let row = CodeRow {
        code_hash: code.code_hash,
        code_expires_at: code.code_expires_at,
        code_used_at: code.code_used_at,
        wrong_try_count: code.wrong_try_count,
        locked_until: code.locked_until,
        asked_at: code.asked_at,
        day_started_at: code.day_started_at,
        day_ask_count: code.day_ask_count,
        updated_at: now,
    };
    diesel::update(email_codes::table.find(email.as_str())).set(row).execute(conn).await?;
    Ok(())
}
