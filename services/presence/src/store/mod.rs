//! All SQL of this service.

mod last_seen;
mod schema;

pub use last_seen::{last_seen_of, record_last_seen};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/presence");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "presence", migrations: || MIGRATIONS, extensions: &[] };
