//! All SQL of this service: the index.

mod builds;
mod candidates;
mod entries;
mod names;

pub use builds::{Build, TakenPage, build_for, forget_texts, note_page, remove_others};
pub use candidates::{Criteria, Step, Stretch, look_up, starts, walk};
pub use entries::{Source, bar_chat, remove_entries, write};
pub use names::{nearest_channels, nearest_people, remove_channel, write_channels, write_people};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/search");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "search", migrations: || MIGRATIONS, extensions: &["pg_trgm"] };
