use proptest::prelude::*;

use super::*;

const EPOCH: &str = "e1";

fn update(seq: u64) -> Update {
    Update { chat_id: "c".to_owned(), seq, epoch: EPOCH.to_owned(), ..Update::default() }
}

fn page(after: u64, limit: u64, head: u64) -> ChatUpdates {
    let last = head.min(after + limit);
    ChatUpdates {
        chat_id: "c".to_owned(),
        updates: (after + 1..=last).map(update).collect(),
        head_seq: head,
        epoch: EPOCH.to_owned(),
        has_more: last < head,
        reset: false,
    }
}

fn seqs(updates: &[Update]) -> Vec<u64> {
    updates.iter().map(|update| update.seq).collect()
}

fn applied(offered: Offered) -> Vec<u64> {
    match offered {
        Offered::Applied(updates) => seqs(&updates),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_update_is_applied_and_an_old_one_ignored() {
    let now = Instant::now();
    let mut log = ChatLog::default();
    assert_eq!(applied(log.offer(update(1), now)), [1]);
    assert_eq!(applied(log.offer(update(2), now)), [2]);
    assert_eq!(log.offer(update(1), now), Offered::Ignored);
    assert_eq!(log.position(), &Position { seq: 2, epoch: EPOCH.to_owned() });
    assert_eq!(log.repair_due_at(), None);
}

#[test]
fn a_missing_update_is_waited_for_half_a_second() {
    let now = Instant::now();
    let mut log = ChatLog::at(Position { seq: 4, epoch: EPOCH.to_owned() });
    assert_eq!(log.offer(update(7), now), Offered::Waiting);
    assert_eq!(log.offer(update(6), now + Duration::from_millis(300)), Offered::Waiting);
    assert_eq!(log.repair_due_at(), Some(now + GAP_WAIT));
    assert_eq!(applied(log.offer(update(5), now + Duration::from_millis(400))), [5, 6, 7]);
    assert_eq!(log.repair_due_at(), None);
}

#[test]
fn a_sync_closes_the_gap_and_lets_go_what_waited() {
    let now = Instant::now();
    let mut log = ChatLog::at(Position { seq: 4, epoch: EPOCH.to_owned() });
    log.offer(update(7), now);
    log.begin_repair();
    assert_eq!(log.repair_due_at(), None);
    let page = log.take_page(page(4, 2, 6), now);
    assert_eq!(seqs(&page.applied), [5, 6, 7]);
    assert_eq!(page.next, Next::Done);
    assert!(!log.has_gap());
}

#[test]
fn another_epoch_asks_for_a_reload() {
    let now = Instant::now();
    let mut log = ChatLog::at(Position { seq: 4, epoch: "e0".to_owned() });
    assert_eq!(log.offer(update(5), now), Offered::Reset);
    assert_eq!(log.take_page(page(4, 10, 9), now).next, Next::Reset);
    assert_eq!(log.position().seq, 4);
    let reset = ChatUpdates { reset: true, ..ChatUpdates::default() };
    assert_eq!(log.take_page(reset, now).next, Next::Reset);
}

#[test]
fn repairs_that_bring_nothing_become_rare() {
    let start = Instant::now();
    let mut log = ChatLog::at(Position { seq: 4, epoch: EPOCH.to_owned() });
    log.offer(update(6), start);
    let mut waits = Vec::new();
    let mut now = start;
    for _ in 0..9 {
        log.begin_repair();
        log.repair_failed(now);
        let due_at = log.repair_due_at().unwrap();
        waits.push((due_at - now).as_millis());
        now = due_at;
    }
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
}

#[test]
fn a_page_that_says_more_without_progress_is_the_last() {
    let now = Instant::now();
    let mut log = ChatLog::at(Position { seq: 4, epoch: EPOCH.to_owned() });
    let page = ChatUpdates { head_seq: 9, epoch: EPOCH.to_owned(), has_more: true, ..ChatUpdates::default() };
    assert_eq!(log.take_page(page, now).next, Next::Done);
}

#[test]
fn what_waits_behind_a_gap_is_bounded() {
    let now = Instant::now();
    let mut log = ChatLog::default();
    for seq in 2..10_000 {
        log.offer(update(seq), now);
    }
    assert_eq!(log.waiting.len(), WAITING_MAX);
    // The lowest are kept: they are applied first when the gap closes.
    assert_eq!(applied(log.offer(update(1), now)).len(), WAITING_MAX + 1);
}

/// What happens between a server that appends and a client that listens.
#[derive(Clone, Debug)]
enum Step {
    /// The server appends an update, and its live delivery takes this many steps, or is lost.
    Append { delay: Option<u8> },
    /// An update delivered before is delivered again.
    Again { index: prop::sample::Index },
    /// Time passes; a due repair runs with pages of this size, or does not get through.
    Pass { ms: u16, page: Option<u8> },
    /// An account sync gives a page from a position that the client had earlier.
    Account { back: u8, limit: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::option::weighted(0.8, 0_u8..6).prop_map(|delay| Step::Append { delay }),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::Again { index }),
        2 => (0_u16..700, prop::option::weighted(0.7, 1_u8..5)).prop_map(|(ms, page)| Step::Pass { ms, page }),
        1 => (0_u8..4, 1_u8..6).prop_map(|(back, limit)| Step::Account { back, limit }),
    ];
    prop::collection::vec(step, 0..120)
}

/// A client against a model server: deliveries that are under way, and everything that was applied.
struct World {
    log: ChatLog,
    now: Instant,
    head: u64,
    under_way: Vec<(u8, u64)>,
    applied: Vec<u64>,
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Append { delay } => {
                self.head += 1;
                self.under_way.extend(delay.map(|delay| (delay, self.head)));
            }
            Step::Again { index } if self.head > 0 => {
                let seq = u64::try_from(index.index(usize::try_from(self.head).unwrap())).unwrap() + 1;
                self.deliver(seq);
            }
            Step::Again { .. } => {}
            Step::Pass { ms, page } => {
                self.now += Duration::from_millis(u64::from(*ms));
                if self.log.repair_due_at().is_some_and(|due_at| due_at <= self.now) {
                    self.repair(*page);
                }
            }
            Step::Account { back, limit } => {
                let after = self.log.position().seq.saturating_sub(u64::from(*back));
                let page = self.log.take_page(page(after, u64::from(*limit), self.head), self.now);
                self.applied.extend(seqs(&page.applied));
            }
        }
        for (delay, _) in &mut self.under_way {
            *delay = delay.saturating_sub(1);
        }
        let (arrived, under_way): (Vec<_>, Vec<_>) = self.under_way.iter().partition(|(delay, _)| *delay == 0);
        self.under_way = under_way;
        for (_, seq) in arrived {
            self.deliver(seq);
        }
    }

    fn deliver(&mut self, seq: u64) {
        if let Offered::Applied(updates) = self.log.offer(update(seq), self.now) {
            self.applied.extend(seqs(&updates));
        }
    }

    fn repair(&mut self, limit: Option<u8>) {
        self.log.begin_repair();
        let Some(limit) = limit else { return self.log.repair_failed(self.now) };
        loop {
            let page = self.log.take_page(page(self.log.position().seq, u64::from(limit), self.head), self.now);
            self.applied.extend(seqs(&page.applied));
            if page.next != Next::More {
                break;
            }
        }
    }
}

proptest! {
    #[test]
    fn every_update_is_applied_exactly_once_and_in_order(steps in steps()) {
        let mut world =
            World { log: ChatLog::default(), now: Instant::now(), head: 0, under_way: Vec::new(), applied: Vec::new() };
        for step in &steps {
            world.take(step);
            let expected: Vec<u64> = (1..=world.log.position().seq).collect();
            prop_assert_eq!(&world.applied, &expected);
            // A known gap is always about to be repaired.
            prop_assert_eq!(world.log.has_gap(), world.log.repair_due_at().is_some());
            prop_assert!(world.log.waiting.len() <= WAITING_MAX);
        }
        world.repair(Some(7));
        prop_assert_eq!(world.log.position().seq, world.head);
        prop_assert!(!world.log.has_gap());
    }
}
