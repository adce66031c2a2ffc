use std::collections::BTreeMap;

use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::ChatId;

/// What becomes of an update on its way.
#[derive(Clone, Copy)]
pub enum Fate {
    Lost,
    Once,
    Twice,
    /// With those of a later time.
    Late,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Lost, Self::Once, Self::Twice, Self::Late];

    /// The n-th pair of bits.
    pub fn of(fates: u64, number: usize) -> Self {
        Self::ALL[usize::try_from(fates.rotate_right(u32::try_from(2 * number % 64).unwrap()) & 3).unwrap()]
    }
}

/// Brings updates into an order that a number chooses.
pub fn shuffle(updates: &mut [pb::Update], mut order: u64) {
    for last in (1..updates.len()).rev() {
        let places = last as u64 + 1;
        updates.swap(last, usize::try_from(order % places).unwrap());
        order = (order / places).wrapping_add(order.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// What became of an update that a client was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the next one, or known.
    Fits,
    /// One before it is missing.
    Gap,
    /// The client is out of the chat, or was: if it is back it begins with a snapshot.
    IsOut,
}

/// What a client has of a log.
#[derive(Default)]
pub struct Kept {
    /// Where the snapshot stands with which it begins.
    pub begins_after: u64,
    pub updates: Vec<pb::Update>,
    is_out: bool,
}

impl Kept {
    pub fn reached(&self) -> u64 {
        self.begins_after + self.updates.len() as u64
    }
}

/// A client that keeps updates by the rule.
pub struct Reader {
    pub user_id: String,
    pub logs: BTreeMap<String, Kept>,
    /// What came before its turn, by chat and seq.
    pub early: BTreeMap<(String, u64), pb::Update>,
    pub cursor: String,
}

impl Reader {
    pub fn apply(&mut self, update: pb::Update) -> Step {
        let kept = self.logs.entry(update.chat_id.clone()).or_default();
        if kept.is_out {
            return Step::IsOut;
        }
        let reached = kept.reached();
        if update.seq <= reached {
            if let Some(place) = update.seq.checked_sub(kept.begins_after + 1) {
                let known = &kept.updates[usize::try_from(place).unwrap()];
                let kind = |update: &pb::Update| update.change.as_ref().map(std::mem::discriminant);
                assert_eq!(kind(known), kind(&update), "an update stays what it is");
            }
            return Step::Fits;
        }
        if update.seq > reached + 1 {
            return Step::Gap;
        }
        kept.is_out = matches!(&update.change, Some(Change::MemberRemoved(removed)) if removed.user_id == self.user_id);
        kept.updates.push(update);
        if kept.is_out { Step::IsOut } else { Step::Fits }
    }

    /// Takes an update from live: in its turn, with what has waited for it; before its turn it waits.
    pub fn hear(&mut self, update: pb::Update) {
        let chat_id = update.chat_id.clone();
        if self.apply(update.clone()) != Step::Fits {
            self.early.insert((chat_id, update.seq), update);
            return;
        }
        while let Some(next) = self.early.remove(&(chat_id.clone(), self.logs[&chat_id].reached() + 1)) {
            if self.apply(next.clone()) == Step::IsOut {
                self.early.insert((chat_id.clone(), next.seq), next);
                return;
            }
        }
    }

    /// Has nothing of a chat but a snapshot.
    pub fn begin(&mut self, chat_id: ChatId, seq: u64) {
        self.logs.insert(chat_id.to_string(), Kept { begins_after: seq, ..Kept::default() });
    }

    pub fn local(&self, chat_id: ChatId) -> u64 {
        self.logs.get(&chat_id.to_string()).map_or(0, Kept::reached)
    }

    /// The updates of a log after a seq.
    pub fn after(&self, log_id: &str, seq: u64) -> impl Iterator<Item = &pb::Update> {
        let updates = self.logs.get(log_id).map_or(&[][..], |kept| &kept.updates);
        updates.iter().filter(move |update| update.seq > seq)
    }
}
