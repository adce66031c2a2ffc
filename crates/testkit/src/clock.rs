use std::time::Duration;

use godwit_kernel::Clock;
use parking_lot::Mutex;
use time::OffsetDateTime;
use time::macros::datetime;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock {
    now: Mutex<OffsetDateTime>,
}

impl TestClock {
    /// A clock that shows `now`.
    pub const fn at(now: OffsetDateTime) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Shows `now` from here on; it may lie in the past.
    pub fn set(&self, now: OffsetDateTime) {
        *self.now.lock() = now;
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        *self.now.lock() += by;
    }
}

impl Default for TestClock {
    /// A clock that shows noon of 1 June 2026, UTC.
    fn default() -> Self {
        Self::at(datetime!(2026-06-01 12:00 UTC))
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        *self.now.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_told() {
        let clock = TestClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now() - start, Duration::from_secs(90));
    }
}
