//! All SQL of this service.

mod media;
mod schema;

pub use media::{delete_expired, expire, find, find_all, insert_pending, mark_ready, set_avatar};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/media");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "media", migrations: || MIGRATIONS };
