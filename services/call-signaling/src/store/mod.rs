//! All SQL of this service: the history of calls that are over.

mod history;
mod history_page;
mod schema;

pub use history::{find, record};
pub use history_page::page;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/call");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "call", migrations: || MIGRATIONS, extensions: &[] };
