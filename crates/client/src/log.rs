//! The client's end of one chat's update log: the rule that turns live deliveries, which may be lost, doubled and out
//! of order, and sync pages into every update exactly once and in order. Pure: time is passed in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use godwit_contract::message::v1::ChatUpdates;
use godwit_contract::v1::Update;

/// How long a missing update may still arrive by itself.
pub const GAP_WAIT: Duration = Duration::from_millis(500);
/// The longest pause between repairs that brought nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The most updates kept behind a gap. Those over it come again by sync.
const WAITING_MAX: usize = 64;

/// How far a client has come in one chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The seq of the last applied update; 0 before the first.
    pub seq: u64,
    /// The epoch of the log that `seq` counts in; empty before the first update.
    pub epoch: String,
}

/// One chat's log as this client has it.
#[derive(Debug, Default)]
pub struct ChatLog {
    position: Position,
    /// Updates that arrived behind a gap.
    waiting: BTreeMap<u64, Update>,
    repair: Repair,
    /// Repairs one after the other that did not close the gap.
    fruitless_count: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Repair {
    #[default]
    NotNeeded,
    DueAt(Instant),
    Running,
}

/// What became of a delivered update.
#[derive(Debug, PartialEq)]
pub enum Offered {
    /// These are next, in order: the delivered one, and those that waited for it.
    Applied(Vec<Update>),
    /// It was applied before.
    Ignored,
    /// One before it is missing. [`ChatLog::repair_due_at`] tells when to sync.
    Waiting,
    /// It belongs to another log than the one that this client has: load the chat again.
    Reset,
}

/// What became of a sync page.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// These are next, in order.
    pub applied: Vec<Update>,
    /// What to do now.
    pub next: Next,
}

/// What to do after a sync page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Done,
    /// Sync again from the new position.
    More,
    /// The log cannot be continued: load the chat again.
    Reset,
}

impl ChatLog {
    /// A log that continues after `position`.
    pub fn at(position: Position) -> Self {
        Self { position, ..Self::default() }
    }

    /// How far it has come.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// When to sync, if a gap does not close by itself until then. None while a repair runs.
    pub const fn repair_due_at(&self) -> Option<Instant> {
        match self.repair {
            Repair::DueAt(due_at) => Some(due_at),
            Repair::NotNeeded | Repair::Running => None,
        }
    }

    /// Whether an update is known to be missing.
    pub fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a live delivery.
    pub fn offer(&mut self, update: Update, now: Instant) -> Offered {
        if update.seq == 0 {
            return Offered::Ignored;
        }
        if self.position.epoch.is_empty() {
            self.position.epoch.clone_from(&update.epoch);
        }
        if update.epoch != self.position.epoch {
            return Offered::Reset;
        }
        if update.seq <= self.position.seq {
            return Offered::Ignored;
        }
        if update.seq > self.position.seq + 1 {
            self.wait(update, now);
            return Offered::Waiting;
        }
        self.position.seq = update.seq;
        let mut applied = vec![update];
        self.apply_waiting(&mut applied);
        self.settle(now);
        Offered::Applied(applied)
    }

    /// A sync of this chat begins: no other becomes due until it ends by [`Self::take_page`] or
    /// [`Self::repair_failed`].
    pub fn begin_repair(&mut self) {
        self.repair = Repair::Running;
    }

    /// The sync did not get through; when there is a gap, another becomes due later.
    pub fn repair_failed(&mut self, now: Instant) {
        self.end_repair(now);
    }

    /// Takes the answer to a sync from [`Self::position`], or a chat's part of the answer to an account sync.
    pub fn take_page(&mut self, page: ChatUpdates, now: Instant) -> Page {
        let before = self.position.seq;
        let mut applied = Vec::new();
        if page.reset || self.is_other_epoch(&page.epoch) {
            return Page { applied, next: Next::Reset };
        }
        for update in page.updates {
            match self.offer(update, now) {
                Offered::Applied(updates) => applied.extend(updates),
                Offered::Ignored | Offered::Waiting => {}
                Offered::Reset => return Page { applied, next: Next::Reset },
            }
        }
        // A page without progress asks for no other: an answer that makes no sense must not make a busy loop.
        if page.has_more && self.position.seq > before {
            return Page { applied, next: Next::More };
        }
        self.end_repair(now);
        Page { applied, next: Next::Done }
    }

    fn is_other_epoch(&self, epoch: &str) -> bool {
        !epoch.is_empty() && !self.position.epoch.is_empty() && epoch != self.position.epoch
    }

    fn wait(&mut self, update: Update, now: Instant) {
        self.waiting.insert(update.seq, update);
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_last();
        }
        if self.repair == Repair::NotNeeded {
            self.repair = Repair::DueAt(now + GAP_WAIT);
        }
    }

    fn apply_waiting(&mut self, applied: &mut Vec<Update>) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > self.position.seq + 1 {
                break;
            }
            let update = entry.remove();
            if update.seq == self.position.seq + 1 {
                self.position.seq = update.seq;
                applied.push(update);
            }
        }
    }

    /// After progress: without a gap no repair is due; behind another gap the wait begins anew.
    fn settle(&mut self, now: Instant) {
        self.fruitless_count = 0;
        if self.repair == Repair::Running {
            return;
        }
        self.repair = if self.has_gap() { Repair::DueAt(now + GAP_WAIT) } else { Repair::NotNeeded };
    }

    fn end_repair(&mut self, now: Instant) {
        if !self.has_gap() {
            self.repair = Repair::NotNeeded;
            self.fruitless_count = 0;
            return;
        }
        let wait = GAP_WAIT.saturating_mul(1 << self.fruitless_count.min(16)).min(LONGEST_WAIT);
        self.fruitless_count = self.fruitless_count.saturating_add(1);
        self.repair = Repair::DueAt(now + wait);
    }
}

#[cfg(test)]
mod tests;
