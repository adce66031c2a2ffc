//! All SQL of this service.

mod bans;
mod chats;
mod deletion;
mod direct_blocks;
mod direct_chats;
mod drafts;
mod folders;
mod invites;
mod join_requests;
mod listeners;
mod members;
mod pending_updates;
mod policies;
mod saved;
mod schema;
mod settings;

pub use bans::{ban, banned_among, bans_of, unban};
pub use chats::{
    ChatFilter, HANDLE_CONSTRAINT, channel_of_handle, chat, chat_of_client_id, chats_of_member, insert_chat, list_ids,
    lock_chat, public_channels, save_chat,
};
pub use deletion::{emptying_chats, forget_chat, forget_person, lock_deleted_chat, mark_deleted, remove_some_members};
pub use direct_blocks::set_direct_block;
pub use direct_chats::{NewDirectChat, create_direct_chat, direct_chat_id};
pub use drafts::{delete_draft, draft_of, drafts_of, set_draft};
pub use folders::{delete_folder, folders_of, save_folders, take_from_folders};
pub use invites::{
    delete_stale_invites, insert_invite, invite_of, invite_of_key, invites_of, lock_invite, revoke_invites, use_invite,
};
pub use join_requests::{
    add_join_request, chat_ids_asked_by, delete_join_requests, has_join_request, join_request_count, join_requests_of,
    reject_join_request,
};
pub use listeners::listeners;
pub use members::{
    Members, admins_of, chat_ids_of, crowded_among, direct_peers_of, insert_members, member_of, members_among,
    members_of, members_page, remove_member, set_role, successor_of,
};
pub use pending_updates::{
    Backlog, Claimed, backlog, claim_pending_updates, insert_pending_update, insert_pending_updates,
    next_pending_updates, remove_pending_updates,
};
pub use policies::{is_public, posting_policy, standing_of};
pub use saved::{lock_saved_chats, make_saved_chats};
pub use settings::{forget_settings, set_settings, settings_of};

/// What runs several of the functions here in one transaction: `conn.transaction::<_, Error, _>(async |tx| …)`.
pub use diesel_async::AsyncConnection as Transactional;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/chat");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "chat", migrations: || MIGRATIONS, extensions: &[] };

/// For transactions that a use case runs.
impl From<diesel::result::Error> for crate::Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What another version has stored is not understood.
fn decode<T>(stored: Result<T, crate::domain::UnknownName>) -> Result<T, pg::Error> {
    Ok(stored.map_err(|unknown| diesel::result::Error::DeserializationError(unknown.into()))?)
}

/// Counts are far below the bound of the database's form.
fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Counts are never negative.
fn count_from(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}
