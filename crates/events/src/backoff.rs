use std::time::Duration;

use godwit_kernel::{SystemEntropy, jittered};

/// Growing pauses between tries, each between half of its nominal length and all of it, so that many who fail
/// together do not come again together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        let nominal = self.next;
        self.next = nominal.saturating_mul(2).min(self.longest);
        jittered(nominal, &SystemEntropy)
    }

    /// Begins again with the shortest pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for nominal_ms in [100, 200, 400, 800, 1_000, 1_000] {
            let pause = backoff.pause();
            let nominal = Duration::from_millis(nominal_ms);
            assert!(pause >= nominal / 2 && pause <= nominal, "{pause:?} for {nominal:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
