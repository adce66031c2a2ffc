use std::collections::HashMap;

use godwit_kernel::{ChatId, Seq};
use time::OffsetDateTime;

use crate::domain::{Head, MembershipVersion, Placed};

/// The locked heads of a batch, as they move.
pub(super) struct Logs {
    heads: HashMap<ChatId, MovingHead>,
    pub(super) now: OffsetDateTime,
}

struct MovingHead {
    head: Head,
    moved: bool,
}

impl Logs {
    pub(super) fn new(heads: Vec<Head>, now: OffsetDateTime) -> Self {
        let heads = heads.into_iter().map(|head| (head.chat_id, MovingHead { head, moved: false })).collect();
        Self { heads, now }
    }

    /// The next place of a log; `None` when it is not there.
    pub(super) fn place(&mut self, chat_id: ChatId) -> Option<Placed> {
        let moving = self.heads.get_mut(&chat_id)?;
        moving.moved = true;
        let head = &mut moving.head;
        head.last_seq = head.last_seq.next();
        head.changed_at = head.changed_at.max(self.now);
        head.active_at.get_or_insert(head.changed_at);
        Some(Placed { seq: head.last_seq, epoch: head.epoch.clone(), occurred_at: head.changed_at })
    }

    /// A place that was given before.
    pub(super) fn at(&self, chat_id: ChatId, seq: Seq, occurred_at: Option<OffsetDateTime>) -> Option<Placed> {
        let epoch = self.heads.get(&chat_id)?.head.epoch.clone();
        Some(Placed { seq, epoch, occurred_at: occurred_at.unwrap_or(self.now) })
    }

    /// The chat moves up in chat lists.
    pub(super) fn touch(&mut self, chat_id: ChatId, at: OffsetDateTime) {
        if let Some(moving) = self.heads.get_mut(&chat_id) {
            moving.head.active_at = Some(at);
        }
    }

    /// Where a log stands; `None` when it is not there.
    pub(super) fn head(&self, chat_id: ChatId) -> Option<&Head> {
        self.heads.get(&chat_id).map(|moving| &moving.head)
    }

    pub(super) fn raise(&mut self, chat_id: ChatId, version: MembershipVersion) {
        if let Some(moving) = self.heads.get_mut(&chat_id) {
            moving.head.membership_version = moving.head.membership_version.max(version);
        }
    }

    /// Some members may not see what is before `seq`.
    pub(super) fn hide(&mut self, chat_id: ChatId, seq: Seq) {
        if let Some(moving) = self.heads.get_mut(&chat_id) {
            moving.head.hidden_until_seq = moving.head.hidden_until_seq.max(seq);
        }
    }

    pub(super) fn into_moved(self) -> Vec<Head> {
        self.heads.into_values().filter(|moving| moving.moved).map(|moving| moving.head).collect()
    }
}
