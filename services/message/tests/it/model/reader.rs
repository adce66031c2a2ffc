use std::collections::BTreeMap;

use godwit_contract::v1 as pb;
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

/// A client that keeps updates by the rule.
#[derive(Default)]
pub struct Reader {
    pub logs: BTreeMap<String, Vec<pb::Update>>,
    /// What came before its turn, by chat and seq.
    pub early: BTreeMap<(String, u64), pb::Update>,
    pub cursor: String,
}

impl Reader {
    /// Whether the update left a gap.
    pub fn apply(&mut self, update: pb::Update) -> bool {
        let log = self.logs.entry(update.chat_id.clone()).or_default();
        let local = log.len() as u64;
        if update.seq <= local {
            let known = &log[usize::try_from(update.seq).unwrap() - 1];
            let kind = |update: &pb::Update| update.change.as_ref().map(std::mem::discriminant);
            assert_eq!(kind(known), kind(&update), "an update stays what it is");
            return false;
        }
        if update.seq > local + 1 {
            return true;
        }
        log.push(update);
        false
    }

    /// Takes an update from live: in its turn, with what has waited for it; before its turn it waits.
    pub fn hear(&mut self, update: pb::Update) {
        let chat_id = update.chat_id.clone();
        if self.apply(update.clone()) {
            self.early.insert((chat_id, update.seq), update);
            return;
        }
        while let Some(next) = self.early.remove(&(chat_id.clone(), self.logs[&chat_id].len() as u64 + 1)) {
            assert!(!self.apply(next), "it is its turn");
        }
    }

    pub fn local(&self, chat_id: ChatId) -> u64 {
        self.logs.get(&chat_id.to_string()).map_or(0, |log| log.len() as u64)
    }
}
