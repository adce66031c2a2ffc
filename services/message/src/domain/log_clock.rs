use time::OffsetDateTime;
use uuid::Uuid;

use super::{CLOCK_MARGIN, COMMIT_MARGIN};

/// The clock by which updates are dated, the name of all logs together, and since when something may be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogClock {
    /// The present.
    pub now: OffsetDateTime,
    /// Another one means that the database was restored.
    pub generation: Uuid,
    /// When the oldest transaction began that may append and is not visible yet; the present when there is none. `None`
    /// when the database does not tell.
    pub open_since: Option<OffsetDateTime>,
}

impl LogClock {
    /// Whatever occurred up to this instant is seen by everybody who reads after the clock was read.
    pub fn visible_until(&self) -> OffsetDateTime {
        let at_least = self.now - COMMIT_MARGIN;
        self.open_since.map_or(at_least, |open_since| at_least.max(open_since - CLOCK_MARGIN))
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    fn visible_for(open_for: Option<Duration>) -> Duration {
        let open_since = open_for.map(|open_for| NOW - open_for);
        NOW - LogClock { now: NOW, generation: Uuid::nil(), open_since }.visible_until()
    }

    #[test]
    fn what_occurred_before_all_open_transactions_is_visible() {
        assert_eq!(visible_for(Some(Duration::ZERO)), CLOCK_MARGIN);
        assert_eq!(visible_for(Some(Duration::seconds(5))), Duration::seconds(5) + CLOCK_MARGIN);
    }

    #[test]
    fn what_occurred_before_the_margin_is_visible_whatever_is_open() {
        assert_eq!(visible_for(None), COMMIT_MARGIN);
        assert_eq!(visible_for(Some(COMMIT_MARGIN)), COMMIT_MARGIN);
        assert_eq!(visible_for(Some(Duration::hours(1))), COMMIT_MARGIN);
    }
}
