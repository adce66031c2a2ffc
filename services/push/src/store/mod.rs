//! All SQL of this service.

mod addresses;
mod backlog;
mod cues;
mod deliveries;
mod fan_outs;
mod notification_settings;
mod read_cursors;
mod schema;
mod subscriptions;
mod vapid_keys;
mod withdrawals;

pub use addresses::{
    delete_address, delete_address_of, delete_of_sessions, delete_subscription, delete_tokens, pause_address,
    reachable_users, register_token,
};
pub use backlog::{Backlog, backlog};
pub use cues::{
    Cue, CueKind, Ringing, RingingOver, claim_cues, cue_call_over, cue_ringing, delete_old_cues, finish_cue,
    postpone_cue, readdress_cue,
};
pub use deliveries::{
    Claim, End, claim_due, delete_chats, delete_messages, delete_records, expire, finish, postpone, release,
};
pub use fan_outs::{
    FanOut, MemberStep, Recipient, claim_fan_outs, note_and_deliver, note_messages, release_fan_outs, take_step,
};
pub use notification_settings::{change_settings, notification_settings};
pub use read_cursors::{Moved, delete_old_cursors, move_cursors};
pub use subscriptions::register;
pub use vapid_keys::keep_vapid_key;
pub use withdrawals::{CueTimes, cue_deleted_chats, cue_deletions, cue_overtaken, cue_reads};

/// What runs several of the functions here in one transaction: `conn.transaction::<_, Error, _>(async |tx| …)`.
pub use diesel_async::AsyncConnection as Transactional;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/push");

/// For transactions that a use case runs.
impl From<diesel::result::Error> for crate::Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "push", migrations: || MIGRATIONS, extensions: &[] };
