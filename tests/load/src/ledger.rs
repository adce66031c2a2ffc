//! What became of every message of one sender, by the generator's own numbers: nothing here believes a server's count.

use serde::Serialize;

const ACKED: u8 = 1;
const REFUSED: u8 = 2;
const RECEIVED: u8 = 4;
const LOGGED: u8 = 8;

/// The messages of one sender, numbered 0, 1, 2 … in the order they were sent. One byte a message.
#[derive(Debug, Default)]
pub struct Ledger {
    marks: Vec<u8>,
    highest_received: Option<u32>,
    last_seq: u64,
    unknown: u64,
    duplicated: u64,
    out_of_order: u64,
    seq_disorder: u64,
    logged_twice: u64,
}

/// The sums over all messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Messages that were sent.
    pub sent: u64,
    /// The server said that they are committed.
    pub acked: u64,
    /// The server refused them.
    pub refused: u64,
    /// Neither, within the drain time.
    pub unanswered: u64,
    /// They arrived live.
    pub received: u64,
    /// Acknowledged, and neither arrived nor found by sync. Must be 0.
    pub lost: u64,
    /// Acknowledged and found by sync, but not delivered live.
    pub missed_live: u64,
    /// Deliveries of what had arrived before.
    pub duplicated: u64,
    /// Deliveries after a message that was sent later.
    pub out_of_order: u64,
    /// Deliveries whose seq is not higher than the one before.
    pub seq_disorder: u64,
    /// Messages that stand more than once in the chat's log. Must be 0.
    pub logged_twice: u64,
    /// Refused messages that arrived or stand in the log all the same. Must be 0.
    pub refused_yet_there: u64,
    /// Deliveries and answers for numbers that were never sent. Must be 0.
    pub unknown: u64,
}

impl Ledger {
    /// The next message is sent; its number.
    pub fn send(&mut self) -> u32 {
        let number = self.count();
        self.marks.push(0);
        number
    }

    /// How many messages were sent.
    pub fn count(&self) -> u32 {
        u32::try_from(self.marks.len()).unwrap_or(u32::MAX)
    }

    /// The server acknowledged it; whether that is its first answer.
    pub fn ack(&mut self, number: u32) -> bool {
        self.mark(number, ACKED)
    }

    /// The server refused it; whether that is its first refusal.
    pub fn refuse(&mut self, number: u32) -> bool {
        self.mark(number, REFUSED)
    }

    /// It arrived live with this seq; whether for the first time.
    pub fn receive(&mut self, number: u32, seq: u64) -> bool {
        if !self.is_known(number) {
            self.unknown += 1;
            return false;
        }
        if seq <= self.last_seq {
            self.seq_disorder += 1;
        }
        self.last_seq = self.last_seq.max(seq);
        if !self.mark(number, RECEIVED) {
            self.duplicated += 1;
            return false;
        }
        if self.highest_received.is_some_and(|highest| number < highest) {
            self.out_of_order += 1;
        }
        self.highest_received = self.highest_received.max(Some(number));
        true
    }

    /// It stands in the chat's log.
    pub fn log(&mut self, number: u32) {
        if self.is_known(number) && !self.mark(number, LOGGED) {
            self.logged_twice += 1;
        } else if !self.is_known(number) {
            self.unknown += 1;
        }
    }

    /// The sums, once the log has been read.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            unknown: self.unknown,
            duplicated: self.duplicated,
            out_of_order: self.out_of_order,
            seq_disorder: self.seq_disorder,
            logged_twice: self.logged_twice,
            ..Totals::default()
        };
        for mark in &self.marks {
            let has = |bit| u64::from(mark & bit != 0);
            let is_there = has(RECEIVED | LOGGED);
            totals.sent += 1;
            totals.acked += has(ACKED);
            totals.received += has(RECEIVED);
            totals.refused += has(REFUSED) * (1 - has(ACKED));
            totals.unanswered += 1 - has(ACKED | REFUSED);
            totals.lost += has(ACKED) * (1 - is_there);
            totals.missed_live += has(ACKED) * has(LOGGED) * (1 - has(RECEIVED));
            totals.refused_yet_there += has(REFUSED) * (1 - has(ACKED)) * is_there;
        }
        totals
    }

    fn is_known(&self, number: u32) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.marks.len())
    }

    /// Whether the bit was not set before.
    fn mark(&mut self, number: u32, bit: u8) -> bool {
        let Some(mark) = usize::try_from(number).ok().and_then(|number| self.marks.get_mut(number)) else {
            self.unknown += 1;
            return false;
        };
        let is_first = *mark & bit == 0;
        *mark |= bit;
        is_first
    }
}

impl Totals {
    /// These and those.
    pub const fn plus(self, other: &Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            acked: self.acked + other.acked,
            refused: self.refused + other.refused,
            unanswered: self.unanswered + other.unanswered,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            missed_live: self.missed_live + other.missed_live,
            duplicated: self.duplicated + other.duplicated,
            out_of_order: self.out_of_order + other.out_of_order,
            seq_disorder: self.seq_disorder + other.seq_disorder,
            logged_twice: self.logged_twice + other.logged_twice,
            refused_yet_there: self.refused_yet_there + other.refused_yet_there,
            unknown: self.unknown + other.unknown,
        }
    }

    /// Whether the server kept its promises: nothing acknowledged is lost, nothing stands twice, nothing was made up.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.logged_twice == 0 && self.refused_yet_there == 0 && self.unknown == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// A ledger with `count` messages sent, acknowledged, delivered in order and logged, except for `planted`.
    fn ledger(count: u32, planted: impl Fn(&mut Ledger, u32) -> bool) -> Totals {
        let mut ledger = Ledger::default();
        for _ in 0..count {
            let number = ledger.send();
            if !planted(&mut ledger, number) {
                ledger.ack(number);
                ledger.receive(number, u64::from(number) + 1);
                ledger.log(number);
            }
        }
        ledger.totals()
    }

    #[test]
    fn a_clean_run_is_clean() {
        let totals = ledger(100, |_, _| false);
        assert_eq!(totals, Totals { sent: 100, acked: 100, received: 100, ..Totals::default() });
        assert!(totals.is_clean());
    }

    #[test]
    fn a_planted_loss_is_found() {
        let totals = ledger(100, |ledger, number| number % 10 == 3 && ledger.ack(number));
        assert_eq!((totals.lost, totals.missed_live, totals.received), (10, 0, 90));
        assert!(!totals.is_clean());
    }

    #[test]
    fn what_sync_finds_is_missed_and_not_lost() {
        let totals = ledger(100, |ledger, number| {
            number == 7 && {
                ledger.log(number);
                ledger.ack(number)
            }
        });
        assert_eq!((totals.lost, totals.missed_live), (0, 1));
        assert!(totals.is_clean());
    }

    #[test]
    fn planted_duplicates_are_found() {
        let mut ledger = Ledger::default();
        let number = ledger.send();
        assert!(ledger.ack(number));
        assert!(!ledger.ack(number));
        assert!(ledger.receive(number, 1));
        assert!(!ledger.receive(number, 1));
        ledger.log(number);
        ledger.log(number);
        let totals = ledger.totals();
        assert_eq!((totals.duplicated, totals.logged_twice, totals.acked, totals.received), (1, 1, 1, 1));
        assert!(!totals.is_clean());
    }

    #[test]
    fn a_planted_reorder_is_found() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            ledger.send();
        }
        ledger.receive(0, 1);
        ledger.receive(2, 3);
        ledger.receive(1, 2);
        let totals = ledger.totals();
        assert_eq!((totals.out_of_order, totals.seq_disorder), (1, 1));
    }

    #[test]
    fn what_was_refused_must_not_be_there() {
        let mut ledger = Ledger::default();
        let (refused, refused_first) = (ledger.send(), ledger.send());
        ledger.refuse(refused);
        ledger.receive(refused, 1);
        // Refused for the time being, then acknowledged.
        ledger.refuse(refused_first);
        ledger.ack(refused_first);
        ledger.receive(refused_first, 2);
        let totals = ledger.totals();
        assert_eq!((totals.refused, totals.refused_yet_there, totals.acked), (1, 1, 1));
    }

    #[test]
    fn what_was_never_sent_is_told() {
        let mut ledger = Ledger::default();
        ledger.receive(0, 1);
        ledger.ack(5);
        ledger.log(9);
        assert_eq!(ledger.totals().unknown, 3);
    }

    proptest! {
        /// Against plain sets: whatever is lost, doubled and shuffled on the way is counted exactly.
        #[test]
        fn the_ledger_counts_what_was_planted(
            deliveries in prop::collection::vec(0_u32..50, 0..200),
            logged in prop::collection::hash_set(0_u32..50, 0..50),
            acked in prop::collection::hash_set(0_u32..50, 0..50),
        ) {
            let mut ledger = Ledger::default();
            for _ in 0..50 {
                ledger.send();
            }
            for number in &acked {
                ledger.ack(*number);
            }
            let mut seen = HashSet::new();
            let (mut duplicated, mut out_of_order) = (0, 0);
            for number in &deliveries {
                if seen.contains(number) {
                    duplicated += 1;
                } else if seen.iter().any(|other| other > number) {
                    out_of_order += 1;
                }
                seen.insert(*number);
                ledger.receive(*number, u64::from(*number) + 1);
            }
            for number in &logged {
                ledger.log(*number);
            }
            let totals = ledger.totals();
            let lost = acked.iter().filter(|number| !seen.contains(number) && !logged.contains(number)).count();
            let missed = acked.iter().filter(|number| !seen.contains(number) && logged.contains(number)).count();
            prop_assert_eq!(totals.duplicated, duplicated);
            prop_assert_eq!(totals.out_of_order, out_of_order);
            prop_assert_eq!(totals.lost, u64::try_from(lost).unwrap());
            prop_assert_eq!(totals.missed_live, u64::try_from(missed).unwrap());
            prop_assert_eq!(totals.unanswered, 50 - u64::try_from(acked.len()).unwrap());
        }
    }
}
