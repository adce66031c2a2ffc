//! What the service does: one use case a file.

mod announce;
mod change_password;
mod delete_me;
mod forgot_password;
mod keyring;
mod list_logins;
mod list_revocations;
mod list_sessions;
mod login;
mod logout;
mod own_password;
mod passwords;
mod people;
mod purge_accounts;
mod refresh;
mod register;
mod resend_code;
mod reset_password;
mod revoke_session;
mod tokens;
mod two_factor;
mod verify_email;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_live::Live;
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

use crate::Error;
use crate::clients::{Chats, Media};
use crate::domain::{AskRefusal, ClientAddress, Problem};
use crate::events::outgoing::Author;
use crate::store::{Occasion, Store, Throttled};

pub use crate::store::{Mail, MailFacts, MailKind};

pub use keyring::{Keyring, SecretKeeper};
pub use login::{LoginAnswer, LoginForm};
pub use passwords::{PasswordOptions, PasswordPool};
pub use people::{AccessPair, ListedPerson, PeoplePage, ProfileForm};
pub use register::RegisterForm;
pub use tokens::SessionTokens;
pub use two_factor::VerifyForm;

/// The lengths of time that an operator may choose.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a code.
    pub code: Duration,
    /// Of an access token.
    pub access_token: Duration,
    /// Of a session that is not refreshed.
    pub session: Duration,
}

/// Everything the use cases need.
pub struct App {
    /// The tables.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where revocations are announced.
    pub live: Arc<dyn Live>,
    /// The chat service.
    pub chats: Chats,
    /// The media service.
    pub media: Media,
    /// bcrypt, bounded.
    pub passwords: PasswordPool,
    /// Signing keys and the pepper.
    pub keyring: Keyring,
    /// Lengths of time.
    pub lifetimes: Lifetimes,
    /// Wakes the mailer after a commit.
    pub mail_queued: Arc<Notify>,
}

impl App {
    fn code_expires_in_secs(&self) -> u32 {
        u32::try_from(self.lifetimes.code.whole_seconds()).unwrap_or(u32::MAX)
    }

    /// When the revocation of a session that ends now may be forgotten: its last access token has ended for every
    /// verifier, whatever the difference of the clocks.
    fn revocation_end(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.lifetimes.access_token + Duration::minutes(2)
    }

    /// A change of an account, now, by a request from `address`.
    fn occasion(&self, address: Option<ClientAddress>) -> Occasion {
        let now = self.clock.now();
        let author = Author { now, address, clock: Arc::clone(&self.clock), entropy: Arc::clone(&self.entropy) };
        Occasion {
            now,
            address,
            revocation_ends_at: self.revocation_end(now),
            recorder: Box::new(move |user_id, fact| author.record(user_id, fact)),
        }
    }
}

/// Reads the fields of a form and keeps what is wrong with each.
#[derive(Default)]
struct Fields(Vec<godwit_rpc::FieldViolation>);

impl Fields {
    fn read<T>(&mut self, field: &str, parsed: Result<T, Problem>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(problem) => {
                self.0.push(godwit_rpc::FieldViolation { field: field.to_owned(), problem: problem.to_owned() });
                None
            }
        }
    }

    /// All that is wrong.
    fn refuse(self) -> Error {
        Error::Invalid(self.0)
    }
}

/// How long a client must wait: whole seconds, at least one.
fn pause_until(until: OffsetDateTime, now: OffsetDateTime) -> std::time::Duration {
    let millis = u64::try_from((until - now).whole_milliseconds()).unwrap_or(0);
    std::time::Duration::from_secs(millis.div_ceil(1_000).max(1))
}

fn ask_refused(refusal: AskRefusal, now: OffsetDateTime) -> Error {
    match refusal {
        AskRefusal::Locked { until } => Error::CodeLocked(pause_until(until, now)),
        AskRefusal::TooSoon { until } => Error::CodeTooSoon(pause_until(until, now)),
        AskRefusal::DailyLimit { until } => Error::CodeDailyLimit(pause_until(until, now)),
    }
}

/// `own` is what too many failures of the login or person are refused with.
fn throttled(refusal: Throttled, now: OffsetDateTime, own: fn(std::time::Duration) -> Error) -> Error {
    match refusal {
        Throttled::Login { until } => own(pause_until(until, now)),
        Throttled::Address { until } => Error::AddressThrottled(pause_until(until, now)),
    }
}

/// Counts what a use case came to.
fn count<T>(name: &'static str, outcome: &Result<T, Error>) {
    use godwit_rpc::ServiceError as _;
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(error) => error.reason(),
    };
    metrics::counter!(name, "outcome" => outcome).increment(1);
}
