use time::{Duration, OffsetDateTime};

/// The age at which a message counts half as much.
const HALF_LIFE: Duration = Duration::days(30);

/// How well a hit answers a question that looks back from `now`: how well its text matches, at most halved twice by its
/// age, so that an old message that says just what was looked for still comes before a new one that hardly does.
pub fn relevance(text_score: f64, sent_at: OffsetDateTime, now: OffsetDateTime) -> f64 {
    let age = (now - sent_at).max(Duration::ZERO);
    let freshness = 1.0 / (1.0 + age / HALF_LIFE);
    text_score * (0.25 + 0.75 * freshness)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    proptest! {
        #[test]
        fn newer_and_closer_is_more_relevant(
            score in 0.1_f64..1.0, more in 0.01_f64..0.5, days in 0_i64..3_000, later in 1_i64..400,
        ) {
            let sent_at = NOW - Duration::days(days + later);
            prop_assert!(relevance(score + more, sent_at, NOW) > relevance(score, sent_at, NOW));
            prop_assert!(relevance(score, sent_at + Duration::days(later), NOW) > relevance(score, sent_at, NOW));
        }
    }

    #[test]
    fn an_old_text_that_matches_comes_before_a_new_one_that_hardly_does() {
        assert!(relevance(1.0, NOW - Duration::days(3_000), NOW) > relevance(0.2, NOW, NOW));
    }
}
