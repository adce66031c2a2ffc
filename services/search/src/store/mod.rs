//! All SQL of this service: the index.

mod messages;

pub use messages::{bar_chat, find, remove_messages, write};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/search");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "search", migrations: || MIGRATIONS };
