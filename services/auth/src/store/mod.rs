//! All SQL of the service: one function, one transaction.

mod codes;
mod keys;
mod mails;
mod purge;
mod registrations;
mod schema;
mod sessions;
mod throttles;
mod users;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

pub use keys::StoredSecret;
pub use mails::{Mail, MailKind};
pub use registrations::{RegisterOutcome, VerifyOutcome};
pub use sessions::{RefreshOutcome, SessionEnds};
pub use users::Account;

/// Schema `auth` and its migrations.
pub const SCHEMA: pg::Schema = pg::Schema { name: "auth", migrations: || MIGRATIONS };

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
