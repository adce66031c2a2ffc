//! All SQL of this service.

mod deliveries;
mod schema;
mod subscriptions;
mod vapid_keys;

pub use deliveries::{
    Settlement, backlog, claim_due, delete_chats, delete_expired, delete_messages, enqueue, release, settle,
};
pub use subscriptions::{delete_at_endpoint, delete_of_device, delete_of_sessions, register, subscribed_users};
pub use vapid_keys::keep_vapid_key;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/push");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "push", migrations: || MIGRATIONS };
