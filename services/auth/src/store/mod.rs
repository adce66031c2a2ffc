//! All SQL of the service: one function, one transaction.

mod accounts;
mod challenges;
mod codes;
mod credentials;
mod keys;
mod logins;
mod mails;
mod occasion;
mod password_resets;
mod passwords;
mod people;
mod people_lists;
mod profiles;
mod purge;
mod registrations;
mod relationships;
mod schema;
mod sessions;
mod throttles;
mod two_factor;
mod users;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

pub use challenges::{Completion, CompletionOutcome};
pub use credentials::{Account, OwnCredentials};
pub use keys::StoredSecret;
pub use logins::{LoginResult, RightPassword, WrongPassword};
pub use mails::{Mail, MailFacts, MailKind};
pub use occasion::Occasion;
pub use password_resets::ResetOutcome;
pub use passwords::PasswordChange;
pub use people::OwnAccount;
pub use people_lists::PeopleEntry;
pub use profiles::{AvatarOutcome, ProfileChanges, ProfileOutcome};
pub use registrations::{RegisterOutcome, VerifyOutcome};
pub use relationships::{Bound, RelationshipStep, Relationships, StepOutcome};
pub use sessions::{LoggedIn, RefreshOutcome, RefreshStep};
pub use throttles::Throttled;
pub use two_factor::{Confirmation, Proof, StoredTotp, TwoFactorOutcome, totp_secret_name};

/// Schema `auth` and its migrations.
pub const SCHEMA: pg::Schema = pg::Schema { name: "auth", migrations: || MIGRATIONS, extensions: &[] };

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/auth");

/// The tables of this service.
#[derive(Clone)]
pub struct Store {
    pool: pg::Pool,
}

impl Store {
    /// The tables behind `pool`, which logs in as the service's role.
    pub fn new(pool: pg::Pool) -> Self {
        Self { pool }
    }
}
