//! All SQL of this service.

mod attachments;
mod garbage;
mod jobs;
mod media;
mod quota;
mod rows;
mod schema;

pub use attachments::{apply as apply_messages, carriers, delete_chats, is_carried_by};
pub use garbage::{due as due_garbage, removed as garbage_removed};
pub use jobs::{
    Failure, accept, claim as claim_job, count as count_jobs, keep_claim, postpone as postpone_job, reject,
};
pub use media::{
    Completion, delete_expired, expire, find, find_to_send, forget_unbegun, give_up, give_up_unused, insert_pending,
    is_kept_after, mark_processing, note_upload_id, set_avatar,
};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/media");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "media", migrations: || MIGRATIONS, extensions: &[] };

/// Later than anything that is waited for.
const FAR: time::Duration = time::Duration::days(36_500);
