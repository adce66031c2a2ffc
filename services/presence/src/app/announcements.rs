use std::collections::{HashSet, VecDeque};

use godwit_kernel::UserId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The most users who wait. More are dropped: their peers learn it when they ask.
const CAPACITY: usize = 100_000;

/// Users whose presence changed and whose peers were not told yet, each once: whoever comes and goes and comes again
/// in the meantime is told of as they are then.
#[derive(Default)]
pub struct Announcements {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<UserId>,
    present: HashSet<UserId>,
}

impl Announcements {
    /// Has the peers of these users told.
    pub fn add(&self, users: Vec<UserId>) {
        if users.is_empty() {
            return;
        }
        let mut dropped_count = 0;
        {
            let mut waiting = self.waiting.lock();
            for user_id in users {
                if waiting.order.len() >= CAPACITY {
                    dropped_count += 1;
                } else if waiting.present.insert(user_id) {
                    waiting.order.push_back(user_id);
                }
            }
        }
        metrics::counter!("godwit_presence_announcements_dropped_total").increment(dropped_count);
        self.arrived.notify_one();
    }

    /// Takes up to `limit` users, in the order in which they were added; waits while there is none.
    pub async fn take(&self, limit: usize) -> Vec<UserId> {
        loop {
            let taken = self.take_now(limit);
            if !taken.is_empty() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    fn take_now(&self, limit: usize) -> Vec<UserId> {
        let mut waiting = self.waiting.lock();
        let count = waiting.order.len().min(limit);
        let taken: Vec<UserId> = waiting.order.drain(..count).collect();
        for user_id in &taken {
            waiting.present.remove(user_id);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    fn user() -> UserId {
        UserId::generate(&SystemClock, &SystemEntropy)
    }

    #[tokio::test]
    async fn each_user_waits_once_and_in_order() {
        let announcements = Announcements::default();
        let (first, second) = (user(), user());
        announcements.add(vec![first, second, first]);
        announcements.add(vec![first]);
        assert_eq!(announcements.take(1).await, [first]);
        announcements.add(vec![first]);
        assert_eq!(announcements.take(10).await, [second, first]);
    }

    #[tokio::test]
    async fn a_flood_is_bounded() {
        let announcements = Announcements::default();
        announcements.add((0..CAPACITY + 10).map(|_| user()).collect());
        assert_eq!(announcements.take(usize::MAX).await.len(), CAPACITY);
    }
}
