use std::sync::Arc;

use futures_util::future::join_all;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::app::{App, Mail, MailFacts, MailKind};
use crate::domain::{Code, OpaqueToken, RESET_TOKEN_LIFE};
use crate::mail::{Dispatch, Letter, LetterDevice, SendError, Sender};

/// How often the queue is looked at without being woken: for mails that are due again, and those of other replicas.
const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
const BATCH: i64 = 8;
/// Longer than any try takes, so that two replicas do not try the same mail at once.
const LEASE: Duration = Duration::minutes(2);
const LONGEST_PAUSE: Duration = Duration::minutes(5);
/// Longer than a mail server is down that somebody mends. A code that is not waited for any more is dropped before; alerts
/// are worth telling late.
const LONGEST_TRY: Duration = Duration::days(7);

/// Sends queued mails, each until the mail server takes or finally refuses it.
pub struct Mailer {
    app: Arc<App>,
    sender: Sender,
    /// What a reset token is put behind.
    reset_url: Option<String>,
}

impl Mailer {
    /// The mailer of the app's queue.
    pub fn new(app: Arc<App>, sender: Sender, reset_url: Option<String>) -> Self {
        Self { app, sender, reset_url }
    }

    /// Works until `stop` is cancelled; an unreachable database or mail server is waited for.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.send_due().await {
                Ok(count) if count > 0 => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the mail queue cannot be read now");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.app.mail_queued.notified() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    /// Tries what is due, and tells how many there were.
    async fn send_due(&self) -> Result<usize, Error> {
        let now = self.app.clock.now();
        let mails = self.app.store.claim_mails(BATCH, now, now + LEASE).await?;
        for result in join_all(mails.iter().map(|mail| self.try_mail(mail))).await {
            result?;
        }
        Ok(mails.len())
    }

    async fn try_mail(&self, mail: &Mail) -> Result<(), Error> {
        let now = self.app.clock.now();
        let outcome = match self.write(mail, now).await? {
            None => "obsolete",
            Some(letter) => {
                let message_id = format!("{}-{}-{}", mail.id, mail.attempt_count, now.unix_timestamp_nanos());
                let dispatch = Dispatch { to: &mail.recipient, letter: &letter, message_id, now };
                match self.sender.send(&dispatch).await {
                    Ok(()) => "sent",
                    Err(error) => self.failed(mail, &error, now),
                }
            }
        };
        metrics::counter!("godwit_auth_mails_total", "kind" => mail.kind.as_str(), "outcome" => outcome).increment(1);
        match outcome {
            "postponed" => self.app.store.postpone_mail(mail.id, now + pause(mail.attempt_count)).await?,
            _ => self.app.store.remove_mail(mail.id).await?,
        }
        Ok(())
    }

    /// What the mail says; `None` when there is no reason for it any more. A code or token is made here, so that it
    /// exists nowhere but in the mail and, hashed, in the database, and is fresh however late the mail leaves.
    async fn write(&self, mail: &Mail, now: OffsetDateTime) -> Result<Option<Letter>, Error> {
        let (at, device) = (mail.created_at, letter_device(&mail.facts));
        let letter = match mail.kind {
            MailKind::VerificationCode => return self.write_code(mail, now).await,
            MailKind::PasswordReset => return self.write_reset(mail, now).await,
            MailKind::AlreadyRegistered => Letter::AlreadyRegistered,
            MailKind::SessionAlert => Letter::SessionAlert { at, device },
            MailKind::NewDevice => Letter::NewDevice { at, device },
            MailKind::PasswordChanged => Letter::PasswordChanged { at },
            MailKind::TwoFactorEnabled => Letter::TwoFactorEnabled { at },
            MailKind::TwoFactorDisabled => Letter::TwoFactorDisabled { at },
            MailKind::RecoveryCodeUsed => {
                Letter::RecoveryCodeUsed { at, codes_left: mail.facts.recovery_codes_left.unwrap_or_default() }
            }
            MailKind::AccountDeleted => Letter::AccountDeleted { at },
            MailKind::AccountRestored => Letter::AccountRestored { at },
        };
        Ok(Some(letter))
    }

    async fn write_code(&self, mail: &Mail, now: OffsetDateTime) -> Result<Option<Letter>, Error> {
        let code = Code::generate(&*self.app.entropy);
        let hash = code.hash(&mail.recipient, self.app.keyring.pepper());
        let valid_for = self.app.lifetimes.code;
        let is_waited_for = self.app.store.issue_code(&mail.recipient, hash, now + valid_for, now).await?;
        Ok(is_waited_for.then_some(Letter::VerificationCode { code, valid_for }))
    }

    async fn write_reset(&self, mail: &Mail, now: OffsetDateTime) -> Result<Option<Letter>, Error> {
        let token = OpaqueToken::generate(&*self.app.entropy);
        let hash = token.reset_hash(self.app.keyring.pepper());
        let has_account = self.app.store.issue_reset(&mail.recipient, hash, now).await?;
        let url_prefix = self.reset_url.clone();
        Ok(has_account.then_some(Letter::PasswordReset { token, url_prefix, valid_for: RESET_TOKEN_LIFE }))
    }

    fn failed(&self, mail: &Mail, error: &SendError, now: OffsetDateTime) -> &'static str {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let (kind, attempt) = (mail.kind.as_str(), mail.attempt_count);
        match error {
            SendError::Rejected(_) => {
                tracing::warn!(kind, attempt, error = source, "the mail server refuses a mail");
                "rejected"
            }
            SendError::Later(_) if now - mail.created_at > LONGEST_TRY => {
                tracing::warn!(kind, attempt, error = source, "a mail is given up");
                "given_up"
            }
            SendError::Later(_) => {
                tracing::warn!(kind, attempt, error = source, "a mail cannot be sent now");
                "postponed"
            }
        }
    }
}

fn letter_device(facts: &MailFacts) -> Option<LetterDevice> {
    let name = facts.device_name.clone()?;
    Some(LetterDevice { name, platform: facts.device_platform.clone().unwrap_or_default() })
}

/// 2 s after the first try, doubled by each more.
fn pause(attempt_count: i32) -> Duration {
    let doublings = attempt_count.clamp(1, 16);
    (Duration::SECOND * (1_i32 << doublings)).min(LONGEST_PAUSE)
}
