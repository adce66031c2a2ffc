//! Exponential backoff with full jitter: many clients that lost the same server do not come back at once.

use std::time::Duration;

use godwit_kernel::{Entropy, pause_between};

/// Growing random pauses: the n-th is uniform between 0 and `first · 2ⁿ`, at most `longest`.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failure_count: u32,
}

impl Backoff {
    /// No failure yet.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failure_count: 0 }
    }

    /// It worked: the next pause is short again.
    pub const fn reset(&mut self) {
        self.failure_count = 0;
    }

    /// It failed: how long to wait.
    pub fn pause(&mut self, entropy: &dyn Entropy) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failure_count.min(16)).min(self.longest);
        self.failure_count = self.failure_count.saturating_add(1);
        pause_between(Duration::ZERO, ceiling, entropy)
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn pauses_stay_below_a_ceiling_that_doubles_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
        for ceiling_ms in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(backoff.pause(&SystemEntropy) <= Duration::from_millis(ceiling_ms));
        }
        backoff.reset();
        assert!(backoff.pause(&SystemEntropy) <= Duration::from_millis(250));
    }

    #[test]
    fn pauses_are_spread() {
        let pauses: std::collections::HashSet<_> = (0..50)
            .map(|_| {
                let mut backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(30));
                backoff.pause(&SystemEntropy)
            })
            .collect();
        assert!(pauses.len() > 25, "{pauses:?}");
    }
}
