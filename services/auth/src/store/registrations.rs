use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_events::{NewRecord, outbox};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::schema::{registrations, usernames, users};
use super::{MailFacts, MailKind, Store, codes, mails};
use crate::domain::{AskRefusal, Bio, CodeCheck, DisplayName, Email, Registration, User, Username};

/// What became of a registration.
#[derive(Debug, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// A mail is on its way, whatever the address is.
    Accepted,
    /// Somebody else has the username.
    UsernameTaken,
    /// The address may not be written to now.
    Refused(AskRefusal),
}

/// What became of a code.
#[derive(Debug, PartialEq, Eq)]
pub enum VerifyOutcome {
    /// The account exists since this call.
    Verified,
    /// The code was not the one that creates an account now.
    Not(CodeCheck),
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = registrations, check_for_backend(diesel::pg::Pg))]
struct RegistrationRow {
    email: String,
    username: String,
    display_name: String,
    password_hash: String,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl Store {
    /// Keeps a registration until its code comes, in place of an earlier one of the same address, holds its username
    /// and queues one mail: the code, or for an address that has an account the news that somebody tried.
    pub async fn register(&self, registration: &Registration, now: OffsetDateTime) -> Result<RegisterOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let email = &registration.email;
            let mut code = codes::lock(conn, email, now).await?;
            if !is_free(conn, registration, now).await? {
                return Ok(RegisterOutcome::UsernameTaken);
            }
            if let Err(refusal) = code.ask(now) {
                return Ok(RegisterOutcome::Refused(refusal));
            }
            if !hold_username(conn, registration, now).await? {
                return Ok(RegisterOutcome::UsernameTaken);
            }
            upsert(conn, registration, now).await?;
            codes::save(conn, email, code, now).await?;
            let kind = if codes::is_known(conn, email).await? {
                MailKind::AlreadyRegistered
            } else {
                MailKind::VerificationCode
            };
            mails::enqueue(conn, kind, email, &MailFacts::default(), now).await?;
            Ok(RegisterOutcome::Accepted)
        })
        .await
    }

    /// Tries a code. The first right one makes the registration an account with id `user_id` and puts the record that
    /// `event` makes of it into the outbox.
    pub async fn verify_email(
        &self,
        email: &Email,
        code_hash: &[u8; 32],
        user_id: UserId,
        now: OffsetDateTime,
        event: impl Fn(&User) -> NewRecord + Send + Sync,
    ) -> Result<VerifyOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let mut code = codes::lock(conn, email, now).await?;
            let check = code.check(code_hash, now);
            codes::save(conn, email, code, now).await?;
            if check != CodeCheck::Right {
                return Ok(VerifyOutcome::Not(check));
            }
            let Some(user) = create_user(conn, email, user_id, now).await? else {
                return Ok(VerifyOutcome::Not(CodeCheck::Expired));
            };
            outbox::enqueue(conn, vec![event(&user)]).await?;
            Ok(VerifyOutcome::Verified)
        })
        .await
    }
}

/// Whether the username, and each that looks like it, is free for this registration.
async fn is_free(conn: &mut Connection, registration: &Registration, now: OffsetDateTime) -> Result<bool, Error> {
    let of_others = usernames::table.filter(usernames::skeleton.eq(registration.username.skeleton())).filter(
        usernames::user_id
            .is_not_null()
            .or(usernames::held_until.gt(now).and(usernames::registration_email.ne(registration.email.as_str()))),
    );
    let is_taken: bool = diesel::select(diesel::dsl::exists(of_others)).get_result(conn).await?;
    Ok(!is_taken)
}

/// Takes the username for this registration, then lets go of the one it held before: in this order two registrations
/// that swap names cannot wait for each other. False when somebody else was faster, with this name or one that looks
/// like it.
async fn hold_username(conn: &mut Connection, registration: &Registration, now: OffsetDateTime) -> Result<bool, Error> {
    let (name, email) = (registration.username.as_str(), registration.email.as_str());
    let hold = (usernames::registration_email.eq(email), usernames::held_until.eq(registration.expires_at));
    let is_ended = usernames::held_until.le(now);
    let is_ours = usernames::registration_email.eq(email).and(usernames::username.ne(name));
    let alike = usernames::table.filter(usernames::skeleton.eq(registration.username.skeleton()));
    diesel::delete(alike.filter(is_ended.or(is_ours))).execute(conn).await?;
    let taken = diesel::insert_into(usernames::table).values((usernames::username.eq(name), hold));
    if taken.on_conflict_do_nothing().execute(conn).await? == 0 {
        let own = usernames::table.find(name).filter(usernames::registration_email.eq(email));
        if diesel::update(own).set(hold).execute(conn).await? == 0 {
            return Ok(false);
        }
    }
    diesel::delete(usernames::table)
        .filter(usernames::registration_email.eq(email).and(usernames::username.ne(name)))
        .execute(conn)
        .await?;
    Ok(true)
}

async fn upsert(conn: &mut Connection, registration: &Registration, now: OffsetDateTime) -> Result<(), Error> {
    let row = RegistrationRow {
        email: registration.email.as_str().to_owned(),
        username: registration.username.as_str().to_owned(),
        display_name: registration.display_name.as_str().to_owned(),
        password_hash: registration.password_hash.clone(),
        created_at: now,
        expires_at: registration.expires_at,
    };
    diesel::insert_into(registrations::table)
        .values(&row)
        .on_conflict(registrations::email)
        .do_update()
        .set(&row)
        .execute(conn)
        .await?;
    Ok(())
}

/// Turns the registration into an account; `None` when it has ended meanwhile or the address has an account.
async fn create_user(
    conn: &mut Connection,
    email: &Email,
    user_id: UserId,
    now: OffsetDateTime,
) -> Result<Option<User>, Error> {
    if codes::is_known(conn, email).await? {
        return Ok(None);
    }
    let row: Option<RegistrationRow> = diesel::delete(registrations::table.find(email.as_str()))
        .filter(registrations::expires_at.gt(now))
        .returning(RegistrationRow::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user_id.as_uuid()),
            users::username.eq(&row.username),
            users::display_name.eq(&row.display_name),
            users::email.eq(&row.email),
            users::password_hash.eq(&row.password_hash),
            users::created_at.eq(now),
        ))
        .execute(conn)
        .await?;
    diesel::update(usernames::table.find(&row.username))
        .set((
            usernames::user_id.eq(user_id.as_uuid()),
            usernames::registration_email.eq(None::<String>),
            usernames::held_until.eq(None::<OffsetDateTime>),
        ))
        .execute(conn)
        .await?;
    Ok(Some(User {
        id: user_id,
        username: Username::stored(row.username),
        display_name: DisplayName::stored(row.display_name),
        created_at: now,
        bio: Bio::default(),
        avatar_id: None,
        is_deleted: false,
    }))
}
