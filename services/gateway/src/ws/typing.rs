use std::time::{Duration, Instant};

use godwit_contract::chat::v1::{GetPostingPolicyResponse, PostingRefusal};
use godwit_contract::v1::ChatKind;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::Failure;
use moka::ops::compute::Op;
use moka::sync::Cache;
use parking_lot::Mutex;
use tonic::Code;

/// One in this time passes, of a user in a chat.
const EVERY: Duration = Duration::from_secs(3);
/// How long others show it.
pub const SHOWN_FOR: Duration = Duration::from_secs(6);
/// How long a permission is remembered.
const PERMISSION_TTL: Duration = Duration::from_secs(15);
/// How long after word that somebody may no longer post nothing of theirs is shown: longer than any gateway can go on by a
/// permission that it read before, with time to spare for what is on its way.
const QUIET: Duration = Duration::from_secs(20);
/// Entries that are remembered of each kind.
const ENTRIES_MAX: u64 = 100_000;
/// In larger chats nobody is shown typing: each would be told to all, all the time.
const MEMBERS_MAX: u32 = 200;

/// Who may be shown typing, and how often.
///
/// A removed or blocked person must not be seen typing from the moment the call returns that removed them, and asking the
/// chat service each time would be a database read for each key stroke or so. So the gateway of who types remembers a
/// permission for 15 s at most, and forgets it when the chat's channel brings word of a change; and the gateways of those who
/// would see it show nothing of somebody for 20 s after the same word. Both the word and the typing travel on the chat's
/// channel, which keeps its order: what was sent after the change is heard after it. A gateway that may have missed word
/// (`Interrupted`) neither sends nor shows anything for 20 s.
pub struct Typing {
    permissions: Cache<(ChatId, UserId), Permission>,
    passed: Cache<(ChatId, UserId), Passed>,
    /// When word came of somebody in a chat, or of all in it.
    changes: Cache<(ChatId, Option<UserId>), Instant>,
    interrupted_at: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Permission {
    /// Before it was asked for.
    asked_at: Instant,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
struct Passed {
    at: Instant,
    is_cancelled: bool,
}

/// What becomes of typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The others in the chat are told.
    Shown,
    /// Nobody is told, and that is no error: a channel, a large group, or one's own notes.
    Hidden,
    /// The caller may not post there.
    Refused(Box<Failure>),
}

/// Whether something may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It begins or goes on.
    Goes,
    /// It is over.
    Cancelled,
}

impl Default for Typing {
    fn default() -> Self {
        fn cache<K, V>(ttl: Duration) -> Cache<K, V>
        where
            K: std::hash::Hash + Eq + Send + Sync + 'static,
            V: Clone + Send + Sync + 'static,
        {
            Cache::builder().max_capacity(ENTRIES_MAX).time_to_live(ttl).build()
        }
        Self {
            permissions: cache(PERMISSION_TTL),
            passed: cache(SHOWN_FOR),
            changes: cache(QUIET),
            interrupted_at: Mutex::default(),
        }
    }
}

impl Typing {
    /// Whether it is time: one in three seconds, and the end of what is shown at once, and once.
    pub fn is_due(&self, chat: ChatId, user: UserId, kind: Kind, now: Instant) -> bool {
        let mut is_due = false;
        self.passed.entry((chat, user)).and_compute_with(|entry| {
            let last = entry.map(moka::Entry::into_value);
            is_due = match (kind, last) {
                (Kind::Goes, last) => last.is_none_or(|last| now.saturating_duration_since(last.at) >= EVERY),
                (Kind::Cancelled, last) => last.is_some_and(|last| !last.is_cancelled),
            };
            match (kind, last) {
                _ if !is_due => Op::Nop,
                (Kind::Cancelled, Some(last)) => Op::Put(Passed { is_cancelled: true, ..last }),
                _ => Op::Put(Passed { at: now, is_cancelled: false }),
            }
        });
        is_due
    }

    /// What is remembered of a permission and was not overtaken by a change.
    pub fn permission(&self, chat: ChatId, user: UserId, now: Instant) -> Option<Verdict> {
        let Permission { asked_at, verdict } = self.permissions.get(&(chat, user))?;
        let is_fresh = now.saturating_duration_since(asked_at) < PERMISSION_TTL;
        let is_overtaken = self.changed_at(chat, user).is_some_and(|changed_at| changed_at >= asked_at);
        (is_fresh && !is_overtaken).then_some(verdict)
    }

    /// Remembers what was asked for at `asked_at`, or later.
    pub fn remember(&self, chat: ChatId, user: UserId, asked_at: Instant, verdict: Verdict) {
        self.permissions.insert((chat, user), Permission { asked_at, verdict });
    }

    /// Whether somebody may be sent or shown as typing, as far as this gateway has heard.
    pub fn is_quiet(&self, chat: ChatId, user: UserId, now: Instant) -> bool {
        self.changed_at(chat, user).is_some_and(|changed_at| now.saturating_duration_since(changed_at) < QUIET)
    }

    /// Some in a chat may no longer post there.
    pub fn note_left(&self, chat: ChatId, users: impl IntoIterator<Item = UserId>, now: Instant) {
        for user in users {
            self.changes.insert((chat, Some(user)), now);
        }
    }

    /// Somebody in a chat may no longer post there.
    pub fn note_changed(&self, chat: ChatId, now: Instant) {
        self.changes.insert((chat, None), now);
    }

    /// Word may have been missed.
    pub fn note_interruption(&self, now: Instant) {
        *self.interrupted_at.lock() = Some(now);
    }

    fn changed_at(&self, chat: ChatId, user: UserId) -> Option<Instant> {
        let of_user = self.changes.get(&(chat, Some(user)));
        let of_chat = self.changes.get(&(chat, None));
        of_user.max(of_chat).max(*self.interrupted_at.lock())
    }
}

impl Verdict {
    /// What the chat service's word means for typing.
    pub fn of(policy: &GetPostingPolicyResponse) -> Self {
        let refused = |code, reason: &str, detail: &str| Self::Refused(Box::new(Failure::new(code, reason, detail)));
        let is_told = matches!(policy.kind(), ChatKind::Direct | ChatKind::Group) && policy.member_count <= MEMBERS_MAX;
        if !policy.is_member {
            return refused(Code::NotFound, "CHAT_NOT_FOUND", "The chat was not found.");
        }
        if !policy.may_post {
            return match policy.refusal() {
                PostingRefusal::Blocked => {
                    refused(Code::PermissionDenied, "BLOCKED", "One of the two of this chat blocks the other.")
                }
                PostingRefusal::Unspecified => {
                    refused(Code::PermissionDenied, "POSTING_NOT_ALLOWED", "You may not post in this chat.")
                }
            };
        }
        if is_told { Self::Shown } else { Self::Hidden }
    }
}

#[cfg(test)]
#[path = "typing_tests.rs"]
mod tests;
