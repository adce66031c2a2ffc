//! Calls for one chat that failed. Each is made again by itself, after a pause of its own: no other chat waits for it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use godwit_kernel::{ChatId, Entropy};

use super::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::backoff::Backoff;

/// The calls that wait, at most one a chat.
#[derive(Debug)]
pub(super) struct Deferred<J>(HashMap<ChatId, Waiting<J>>);

#[derive(Debug)]
struct Waiting<J> {
    job: J,
    due_at: Instant,
    backoff: Backoff,
}

impl<J: Clone + PartialEq> Deferred<J> {
    /// Nothing waits.
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// A call failed; it is due again after a pause that grows with each failure, and at the least `at_least`.
    pub(super) fn put(&mut self, chat_id: ChatId, job: J, at_least: Duration, now: Instant, entropy: &dyn Entropy) {
        let mut backoff = match self.0.remove(&chat_id) {
            Some(failed_before) => failed_before.backoff,
            None => Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        };
        let due_at = now + at_least + backoff.pause(entropy);
        self.0.insert(chat_id, Waiting { job, due_at, backoff });
    }

    /// The chat's call succeeded, or is not needed any more.
    pub(super) fn remove(&mut self, chat_id: &ChatId) {
        self.0.remove(chat_id);
    }

    /// Whether this very call waits.
    pub(super) fn has(&self, chat_id: &ChatId, job: &J) -> bool {
        self.0.get(chat_id).is_some_and(|waiting| waiting.job == *job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the calls are due that are not yet.
    pub(super) fn due_after(&self, now: Instant) -> impl Iterator<Item = Instant> {
        self.0.values().map(|waiting| waiting.due_at).filter(move |due_at| *due_at > now)
    }

    /// The calls that are due by then. They wait until they succeed.
    pub(super) fn due_by(&self, until: Option<Instant>) -> Vec<J> {
        let due = self.0.values().filter(|waiting| until.is_none_or(|until| waiting.due_at <= until));
        due.map(|waiting| waiting.job.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn what_fails_again_waits_longer_and_what_succeeds_no_more() {
        let (chat_id, now) = (ChatId::generate(&SystemClock, &SystemEntropy), Instant::now());
        let mut deferred = Deferred::new();
        let pause = Duration::from_secs(1);
        deferred.put(chat_id, "load", pause, now, &SystemEntropy);
        assert!(deferred.has(&chat_id, &"load") && !deferred.has(&chat_id, &"sync"));
        assert_eq!(deferred.due_by(Some(now)), Vec::<&str>::new());
        assert_eq!(deferred.due_by(Some(now + pause + FIRST_PAUSE)), ["load"]);
        for _ in 0..10 {
            deferred.put(chat_id, "sync", pause, now, &SystemEntropy);
            let due_at = deferred.due_after(now).next().unwrap();
            assert!(due_at >= now + pause && due_at <= now + pause + LONGEST_PAUSE);
        }
        assert_eq!((deferred.due_after(now).count(), deferred.due_by(None)), (1, vec!["sync"]));
        deferred.remove(&chat_id);
        assert!(deferred.is_empty());
    }
}
