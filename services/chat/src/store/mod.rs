//! All SQL of this service.

mod chats;
mod direct_blocks;
mod members;
mod pending_updates;
mod schema;

pub use chats::{NewDirectChat, chat_of_member, chats_of_member, create_direct_chat, direct_chat_id};
pub use direct_blocks::set_direct_block;
pub use members::{Members, chat_ids_of, direct_peers_of, members_of, posting_policy};
pub use pending_updates::{
    Backlog, backlog, claim_pending_updates, insert_pending_update, next_pending_update, remove_pending_update,
};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/chat");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "chat", migrations: || MIGRATIONS };
