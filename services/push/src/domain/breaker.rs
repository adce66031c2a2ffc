use std::time::Duration;

use godwit_kernel::{Entropy, pause_between};
use time::OffsetDateTime;

/// Failures in a row after which a push service is left alone.
const FAILURES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(5 * 60);
/// A push service may ask for a longer pause, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How much may be sent to a push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As much as there is.
    All,
    /// One, to see whether it works again.
    Probe,
    /// Nothing.
    Nothing,
}

/// Leaves a push service alone that fails, or says when it wants to be asked again: what waits for it stays untried.
#[derive(Debug, Default)]
pub struct Breaker {
    failure_count: u32,
    /// That have failed since it was opened.
    probe_count: u32,
    open_until: Option<OffsetDateTime>,
}

impl Breaker {
    /// How much may be sent now.
    pub fn admission(&self, now: OffsetDateTime) -> Admission {
        match self.open_until {
            None => Admission::All,
            Some(until) if now < until => Admission::Nothing,
            Some(_) => Admission::Probe,
        }
    }

    /// Whether it is not known to work.
    pub const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// The push service answered, whatever it said of the delivery.
    pub fn note_answer(&mut self) {
        *self = Self::default();
    }

    /// The push service failed. A pause that it asked for begins at once, another after some failures in a row; it grows
    /// with each probe that fails.
    pub fn note_failure(&mut self, retry_after: Option<Duration>, now: OffsetDateTime, entropy: &dyn Entropy) {
        self.failure_count = self.failure_count.saturating_add(1);
        match self.open_until {
            None if retry_after.is_none() && self.failure_count < FAILURES_MAX => return,
            None => {}
            // It was on its way already when the pause began.
            Some(until) if now < until && retry_after.is_none() => return,
            Some(until) if now < until => {}
            Some(_) => self.probe_count = self.probe_count.saturating_add(1),
        }
        let growth = 2_u32.saturating_pow(self.probe_count.min(16));
        let nominal = PAUSE_FIRST.saturating_mul(growth).min(PAUSE_LONGEST);
        let own = pause_between(nominal, nominal * 3 / 2, entropy);
        let until = now + own.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
        self.open_until = Some(self.open_until.map_or(until, |before| before.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    #[test]
    fn some_failures_in_a_row_open_it_and_an_answer_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..FAILURES_MAX {
                breaker.note_failure(None, NOW, &SystemEntropy);
            }
            assert_eq!(breaker.admission(NOW), Admission::All);
            breaker.note_answer();
        }
        for _ in 0..FAILURES_MAX {
            breaker.note_failure(None, NOW, &SystemEntropy);
        }
        assert_eq!(breaker.admission(NOW), Admission::Nothing);
        assert_eq!(breaker.admission(NOW + PAUSE_FIRST * 2), Admission::Probe);
        breaker.note_answer();
        assert_eq!((breaker.admission(NOW), breaker.is_open()), (Admission::All, false));
    }

    #[test]
    fn probes_that_fail_make_the_pause_longer_up_to_a_limit() {
        let mut breaker = Breaker::default();
        let mut now = NOW;
        let mut pauses = Vec::new();
        for _ in 0..FAILURES_MAX + 20 {
            breaker.note_failure(None, now, &SystemEntropy);
            if let Some(until) = breaker.open_until {
                pauses.push(until - now);
                now = until;
            }
        }
        assert!(pauses.windows(2).take(5).all(|two| two[0] < two[1]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= PAUSE_LONGEST * 3 / 2), "{pauses:?}");
    }

    #[test]
    fn what_was_on_its_way_when_the_pause_began_does_not_make_it_longer() {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX + 50 {
            breaker.note_failure(None, NOW, &SystemEntropy);
        }
        assert_eq!(breaker.admission(NOW + PAUSE_FIRST * 3 / 2), Admission::Probe);
    }

    #[test]
    fn a_pause_that_is_asked_for_begins_at_once() {
        let mut breaker = Breaker::default();
        breaker.note_failure(Some(Duration::from_secs(600)), NOW, &SystemEntropy);
        assert_eq!(breaker.admission(NOW + Duration::from_secs(599)), Admission::Nothing);
        assert_eq!(breaker.admission(NOW + Duration::from_secs(600)), Admission::Probe);
        breaker.note_failure(Some(Duration::MAX), NOW, &SystemEntropy);
        assert_eq!(breaker.admission(NOW + RETRY_AFTER_MAX), Admission::Probe);
    }
}
