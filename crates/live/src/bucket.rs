use std::time::Duration;

use crate::{TokenBucket, TokenDecision};

/// Slower buckets than one token a day count as that.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A token bucket is kept as one instant: when it will be full again. Taking a token moves that instant by the time
/// one token takes to come; what lies further ahead than a whole bucket would be a debt. (The generic cell rate
/// algorithm, ITU-T I.371, in its virtual scheduling form.)
impl TokenBucket {
    /// The time one token takes to come.
    pub(crate) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.refill_per_sec.recip())
            .unwrap_or(MAX_INTERVAL)
            .clamp(Duration::from_micros(1), MAX_INTERVAL)
    }

    /// The time an empty bucket takes to be full.
    pub(crate) fn span(&self) -> Duration {
        self.interval().saturating_mul(self.capacity)
    }

    /// Decides for a bucket that would be full again in `full_in`; when a token is taken, tells the new time.
    pub(crate) fn take(&self, full_in: Duration) -> (TokenDecision, Duration) {
        let (interval, span) = (self.interval(), self.span());
        let full_after = full_in.saturating_add(interval);
        if full_after > span {
            let retry_after = full_after.saturating_sub(span);
            return (TokenDecision::Empty { retry_after }, full_in);
        }
        let remaining = (span - full_after).as_nanos() / interval.as_nanos();
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        (TokenDecision::Taken { remaining }, full_after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_gives_its_capacity_and_then_tells_when_to_come_again() {
        let bucket = TokenBucket { capacity: 3, refill_per_sec: 2.0 };
        let mut full_in = Duration::ZERO;
        for left in [2, 1, 0] {
            let (decision, after) = bucket.take(full_in);
            assert_eq!(decision, TokenDecision::Taken { remaining: left });
            full_in = after;
        }
        assert_eq!(bucket.take(full_in).0, TokenDecision::Empty { retry_after: Duration::from_millis(500) });
        assert_eq!(bucket.take(full_in - Duration::from_millis(500)).0, TokenDecision::Taken { remaining: 0 });
    }

    #[test]
    fn a_bucket_that_never_refills_is_bounded() {
        for refill_per_sec in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let bucket = TokenBucket { capacity: u32::MAX, refill_per_sec };
            assert!(matches!(bucket.take(Duration::ZERO).0, TokenDecision::Taken { .. }), "{refill_per_sec}");
        }
        let none = TokenBucket { capacity: 0, refill_per_sec: 1.0 };
        assert_eq!(none.take(Duration::ZERO).0, TokenDecision::Empty { retry_after: Duration::from_secs(1) });
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_capacity_and_the_refill(
            capacity in 1..20_u32,
            refill_per_sec in 0.5..50.0_f64,
            pauses_ms in prop::collection::vec(0..2_000_u64, 1..200),
        ) {
            let bucket = TokenBucket { capacity, refill_per_sec };
            let mut full_in = Duration::ZERO;
            let mut elapsed = Duration::ZERO;
            let mut taken = 0.0;
            for pause_ms in pauses_ms {
                let pause = Duration::from_millis(pause_ms);
                elapsed += pause;
                let (decision, after) = bucket.take(full_in.saturating_sub(pause));
                full_in = after;
                match decision {
                    TokenDecision::Taken { remaining } => {
                        taken += 1.0;
                        prop_assert!(remaining < capacity);
                    }
                    TokenDecision::Empty { retry_after } => {
                        prop_assert!(retry_after <= bucket.interval());
                        prop_assert!(retry_after > Duration::ZERO);
                    }
                }
                prop_assert!(taken <= f64::from(capacity) + elapsed.as_secs_f64() * refill_per_sec + 1e-6);
            }
        }
    }
}
