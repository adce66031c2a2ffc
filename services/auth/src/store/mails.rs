use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::Store;
use super::schema::mails;
use crate::domain::Email;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// The code that confirms an address.
    VerificationCode,
    /// Somebody tried to register with the address of an account.
    AlreadyRegistered,
    /// A session was ended because somebody has a copy of its refresh token.
    SessionAlert,
}

impl MailKind {
    /// As it is stored and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerificationCode => "verification_code",
            Self::AlreadyRegistered => "already_registered",
            Self::SessionAlert => "session_alert",
        }
    }

    fn stored(text: &str) -> Option<Self> {
        [Self::VerificationCode, Self::AlreadyRegistered, Self::SessionAlert]
            .into_iter()
            .find(|kind| kind.as_str() == text)
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
    /// When it was queued.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Takes due mails for one try each; nobody else takes them before `lease_ends_at`.
    pub async fn claim_mails(
        &self,
        limit: i64,
        now: OffsetDateTime,
        lease_ends_at: OffsetDateTime,
    ) -> Result<Vec<Mail>, Error> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<(i64, String, String, i32, OffsetDateTime)> = conn
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
                    .returning((mails::id, mails::kind, mails::recipient, mails::attempt_count, mails::created_at))
                    .load(conn)
                    .await?;
                Ok(rows)
            })
            .await?;
        let mail = |(id, kind, recipient, attempt_count, created_at): (i64, String, String, i32, OffsetDateTime)| {
            let kind = MailKind::stored(&kind)?;
            Some(Mail { id, kind, recipient: Email::stored(recipient), attempt_count, created_at })
        };
        Ok(rows.into_iter().filter_map(mail).collect())
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

/// Queues a mail in the transaction that is its cause. One of the same kind that still waits will do.
pub(super) async fn enqueue(
    conn: &mut Connection,
    kind: MailKind,
    recipient: &Email,
    now: OffsetDateTime,
) -> Result<(), Error> {
    diesel::insert_into(mails::table)
        .values((
            mails::kind.eq(kind.as_str()),
            mails::recipient.eq(recipient.as_str()),
            mails::due_at.eq(now),
            mails::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}
