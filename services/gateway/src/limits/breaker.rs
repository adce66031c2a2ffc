use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps callers away from a store that fails or hangs: after a failure one of them tries it in a while, and the
/// others do without it at once.
#[derive(Debug)]
pub struct Breaker {
    began_at: Instant,
    /// When the next one may try, in milliseconds since the beginning; 0 while the store works.
    closed_until_ms: AtomicU64,
}

impl Breaker {
    /// The store is taken to work.
    pub const fn new(now: Instant) -> Self {
        Self { began_at: now, closed_until_ms: AtomicU64::new(0) }
    }

    /// Whether the caller may try the store.
    pub fn lets_through(&self, now: Instant) -> bool {
        let now_ms = self.millis_at(now);
        let until = self.closed_until_ms.load(Ordering::Relaxed);
        let is_first = || {
            let next = now_ms + millis(PAUSE);
            self.closed_until_ms.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        until == 0 || (now_ms >= until && is_first())
    }

    /// It worked.
    pub fn worked(&self) {
        // Written only when it changes: all workers read it with every request.
        if self.closed_until_ms.load(Ordering::Relaxed) != 0 {
            self.closed_until_ms.store(0, Ordering::Relaxed);
        }
    }

    /// It failed.
    pub fn failed(&self, now: Instant) {
        self.closed_until_ms.store(self.millis_at(now) + millis(PAUSE), Ordering::Relaxed);
    }

    fn millis_at(&self, now: Instant) -> u64 {
        millis(now.duration_since(self.began_at))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_failed_is_tried_by_one_caller_in_a_while() {
        let now = Instant::now();
        let breaker = Breaker::new(now);
        assert!(breaker.lets_through(now) && breaker.lets_through(now));
        breaker.failed(now);
        assert!(!breaker.lets_through(now));
        let later = now + PAUSE;
        assert!(breaker.lets_through(later));
        assert!(!breaker.lets_through(later), "another one waits for the first");
        breaker.worked();
        assert!(breaker.lets_through(later) && breaker.lets_through(later));
    }
}
