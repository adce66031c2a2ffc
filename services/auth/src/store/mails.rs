use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::{Connection, Error};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Store;
use super::schema::mails;
use crate::domain::{Device, Email};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// The code that confirms an address.
    VerificationCode,
    /// Somebody tried to register with the address of an account.
    AlreadyRegistered,
    /// A session was ended because somebody has a copy of its refresh token.
    SessionAlert,
    /// The token that sets a new password.
    PasswordReset,
    /// A device logged in for the first time.
    NewDevice,
    /// There is another password.
    PasswordChanged,
    /// Logins ask for a second factor from now on.
    TwoFactorEnabled,
    /// They no longer do.
    TwoFactorDisabled,
    /// A recovery code logged somebody in.
    RecoveryCodeUsed,
    /// The account is hidden.
    AccountDeleted,
    /// It came back.
    AccountRestored,
}

impl MailKind {
    const ALL: [Self; 11] = [
        Self::VerificationCode,
        Self::AlreadyRegistered,
        Self::SessionAlert,
        Self::PasswordReset,
        Self::NewDevice,
        Self::PasswordChanged,
        Self::TwoFactorEnabled,
        Self::TwoFactorDisabled,
        Self::RecoveryCodeUsed,
        Self::AccountDeleted,
        Self::AccountRestored,
    ];

    /// As it is stored and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerificationCode => "verification_code",
            Self::AlreadyRegistered => "already_registered",
            Self::SessionAlert => "session_alert",
            Self::PasswordReset => "password_reset",
            Self::NewDevice => "new_device",
            Self::PasswordChanged => "password_changed",
            Self::TwoFactorEnabled => "two_factor_enabled",
            Self::TwoFactorDisabled => "two_factor_disabled",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::AccountDeleted => "account_deleted",
            Self::AccountRestored => "account_restored",
        }
    }

    fn stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a mail tells beside its kind and the time it was queued; no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MailFacts {
    /// Of the device that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Such as "android".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_platform: Option<String>,
    /// After one was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes_left: Option<u32>,
}

impl MailFacts {
    /// It is about a device.
    pub fn of_device(device: &Device) -> Self {
        Self {
            device_name: Some(device.name.clone()),
            device_platform: Some(device.platform.clone()),
            recovery_codes_left: None,
        }
    }
}

/// A mail to send.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its row.
    pub id: i64,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub recipient: Email,
    /// How often it was tried, this time included.
    pub attempt_count: i32,
    /// When it was queued: when what it tells happened.
    pub created_at: OffsetDateTime,
    /// What it tells.
    pub facts: MailFacts,
}

type MailRow = (i64, String, String, i32, OffsetDateTime, serde_json::Value);

impl Store {
    /// Takes due mails for one try each; nobody else takes them before `lease_ends_at`.
    pub async fn claim_mails(
        &self,
        limit: i64,
        now: OffsetDateTime,
        lease_ends_at: OffsetDateTime,
    ) -> Result<Vec<Mail>, Error> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<MailRow> = conn
            .transaction::<_, Error, _>(async |conn| {
                let ids: Vec<i64> = mails::table
                    .filter(mails::due_at.le(now))
                    .order(mails::due_at)
                    .limit(limit)
                    .select(mails::id)
                    .for_update()
                    .skip_locked()
                    .load(conn)
                    .await?;
                let rows = diesel::update(mails::table.filter(mails::id.eq_any(ids)))
                    .set((mails::due_at.eq(lease_ends_at), mails::attempt_count.eq(mails::attempt_count + 1)))
                    .returning((
                        mails::id,
                        mails::kind,
                        mails::recipient,
                        mails::attempt_count,
                        mails::created_at,
                        mails::facts,
                    ))
                    .load(conn)
                    .await?;
                Ok(rows)
            })
            .await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// The mail needs no further try.
    pub async fn remove_mail(&self, id: i64) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::delete(mails::table.find(id)).execute(&mut conn).await?;
        Ok(())
    }

    /// The mail is to be tried again.
    pub async fn postpone_mail(&self, id: i64, due_at: OffsetDateTime) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::update(mails::table.find(id)).set(mails::due_at.eq(due_at)).execute(&mut conn).await?;
        Ok(())
    }
}

/// `None` for a kind of a later release, which sends it.
fn read((id, kind, recipient, attempt_count, created_at, facts): MailRow) -> Option<Mail> {
    let kind = MailKind::stored(&kind)?;
    // Facts that a later release writes otherwise are left out rather than the mail.
    let facts = serde_json::from_value(facts).unwrap_or_default();
    Some(Mail { id, kind, recipient: Email::stored(recipient), attempt_count, created_at, facts })
}

/// Queues a mail in the transaction that is its cause. One of the same kind that still waits will do, but alerts are
/// each a mail of their own.
pub(super) async fn enqueue(
    conn: &mut Connection,
    kind: MailKind,
    recipient: &Email,
    facts: &MailFacts,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let facts = serde_json::to_value(facts).map_err(|error| DieselError::SerializationError(Box::new(error)))?;
    diesel::insert_into(mails::table)
        .values((
            mails::kind.eq(kind.as_str()),
            mails::recipient.eq(recipient.as_str()),
            mails::due_at.eq(now),
            mails::created_at.eq(now),
            mails::facts.eq(facts),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}
