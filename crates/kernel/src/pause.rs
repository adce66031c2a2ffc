use std::time::Duration;

use crate::Entropy;

/// Half of a pause to all of it: those who fail together do not come again together.
pub fn jittered(pause: Duration, entropy: &dyn Entropy) -> Duration {
    pause_between(pause / 2, pause, entropy)
}

/// A pause between these two, any as likely as another; in whole milliseconds from the shortest on.
pub fn pause_between(shortest: Duration, longest: Duration, entropy: &dyn Entropy) -> Duration {
    let more_ms = u32::try_from(longest.saturating_sub(shortest).as_millis()).unwrap_or(u32::MAX);
    shortest + Duration::from_millis(entropy.below(more_ms.saturating_add(1)).into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::SystemEntropy;

    #[test]
    fn a_jittered_pause_is_half_to_all_of_it() {
        let pause = Duration::from_millis(100);
        let pauses: HashSet<Duration> = (0..1_000).map(|_| jittered(pause, &SystemEntropy)).collect();
        assert!(pauses.iter().all(|one| (pause / 2..=pause).contains(one)), "{pauses:?}");
        assert!(pauses.len() > 25, "{pauses:?}");
    }

    #[test]
    fn pauses_without_a_width_are_what_they_are() {
        let second = Duration::from_secs(1);
        assert_eq!(pause_between(second, second, &SystemEntropy), second);
        assert_eq!(pause_between(second, Duration::ZERO, &SystemEntropy), second);
        assert_eq!(jittered(Duration::ZERO, &SystemEntropy), Duration::ZERO);
        assert!(pause_between(second, Duration::MAX, &SystemEntropy) >= second);
    }
}
