//! Every topic of Godwit.

/// A topic and how it is laid out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Its name, before the deployment's prefix.
    pub name: &'static str,
    /// How many partitions it is created with.
    pub partitions: i32,
    /// How long records are kept, in milliseconds.
    pub retention_ms: i64,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Every update of every chat, key `chat_id` (16 bytes), payload `godwit.v1.Update`.
pub const CHAT_UPDATES: Topic = Topic { name: "godwit.chat.updates.v1", partitions: 12, retention_ms: 7 * DAY_MS };
/// What happens to accounts, key `user_id` (16 bytes), payload `godwit.events.v1.AccountEvent`.
pub const ACCOUNTS: Topic = Topic { name: "godwit.accounts.v1", partitions: 6, retention_ms: 7 * DAY_MS };
/// Logins, ended sessions and changed credentials, key `user_id` (16 bytes), payload `godwit.events.v1.SecurityEvent`.
pub const SECURITY: Topic = Topic { name: "godwit.security.v1", partitions: 6, retention_ms: 30 * DAY_MS };
/// Calls that are over, key `call_id` (16 bytes), payload `godwit.events.v1.CallEvent`.
pub const CALLS: Topic = Topic { name: "godwit.calls.v1", partitions: 6, retention_ms: 7 * DAY_MS };
/// What moderators must see, key `chat_id` (16 bytes), payload `godwit.events.v1.ModerationEvent`.
pub const MODERATION: Topic = Topic { name: "godwit.moderation.v1", partitions: 3, retention_ms: 30 * DAY_MS };
/// Records that a consumer could not take, with headers that tell where from and why.
pub const DEAD_LETTERS: Topic = Topic { name: "godwit.dead-letters.v1", partitions: 1, retention_ms: 30 * DAY_MS };

/// All of them, for creation.
pub const ALL: &[&Topic] = &[&CHAT_UPDATES, &ACCOUNTS, &SECURITY, &CALLS, &MODERATION, &DEAD_LETTERS];

/// The topic with this name.
pub fn by_name(name: &str) -> Option<&'static Topic> {
    ALL.iter().find(|topic| topic.name == name).copied()
}
