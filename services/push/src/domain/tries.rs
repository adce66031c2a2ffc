use std::time::Duration;

use godwit_kernel::{ChatId, DeviceId, Entropy, MessageId, Seq};
use time::OffsetDateTime;

use super::Keys;

/// How often a notification is tried.
pub const ATTEMPTS_MAX: i32 = 6;
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_FACTOR: u32 = 4;
const PAUSE_LONGEST: Duration = Duration::from_secs(30 * 60);
/// A push service may ask for a longer pause, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A claimed try: one notification to one device.
pub struct Delivery {
    /// The device.
    pub device_id: DeviceId,
    /// The message's chat.
    pub chat_id: ChatId,
    /// The message's place in it.
    pub seq: Seq,
    /// Which try this is, from 1 on.
    pub attempt: i32,
    /// Where the push service takes it.
    pub endpoint: String,
    /// What it is encrypted with.
    pub keys: Keys,
    /// When it is too late to tell.
    pub expires_at: OffsetDateTime,
}

impl Delivery {
    /// The message that it tells of.
    pub const fn message_id(&self) -> MessageId {
        MessageId { chat_id: self.chat_id, seq: self.seq }
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The push service took it.
    Accepted,
    /// The subscription is over.
    Gone,
    /// It may do later.
    Later {
        /// The pause that the push service asked for.
        retry_after: Option<Duration>,
        /// What happened.
        cause: String,
    },
    /// It will never do.
    Refused(String),
}

impl Verdict {
    /// What the answer of a push service means (RFC 8030, sections 5 and 7.3).
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Accepted,
            404 | 410 => Self::Gone,
            408 | 429 | 500..=599 => Self::Later { retry_after, cause: format!("status {status}") },
            _ => Self::Refused(format!("status {status}")),
        }
    }
}

/// The pause before the try after `attempt`; `None` when there is none.
pub fn pause_before(attempt: i32, retry_after: Option<Duration>, entropy: &dyn Entropy) -> Option<Duration> {
    if attempt >= ATTEMPTS_MAX {
        return None;
    }
    let exponent = u32::try_from(attempt - 1).unwrap_or(0);
    let nominal = PAUSE_FIRST.saturating_mul(PAUSE_FACTOR.saturating_pow(exponent)).min(PAUSE_LONGEST);
    let spread_ms = u32::try_from(nominal.as_millis() / 2).unwrap_or(u32::MAX);
    let own = nominal + Duration::from_millis(u64::from(entropy.below(spread_ms)));
    Some(own.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)))
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<u64> =
            (1..ATTEMPTS_MAX).map(|attempt| pause_before(attempt, None, &SystemEntropy).unwrap().as_secs()).collect();
        assert!(pauses.windows(2).all(|two| two[0] < two[1]), "{pauses:?}");
        assert_eq!(pause_before(ATTEMPTS_MAX, None, &SystemEntropy), None);
    }

    #[test]
    fn the_push_services_own_pause_counts_within_reason() {
        let asked = |secs| pause_before(1, Some(Duration::from_secs(secs)), &SystemEntropy).unwrap();
        assert_eq!(asked(600), Duration::from_secs(600));
        assert_eq!(asked(u64::MAX), RETRY_AFTER_MAX);
        assert!(asked(0) >= PAUSE_FIRST);
    }

    #[test]
    fn statuses_mean_what_rfc_8030_says() {
        assert_eq!(Verdict::of_status(201, None), Verdict::Accepted);
        assert_eq!((Verdict::of_status(404, None), Verdict::of_status(410, None)), (Verdict::Gone, Verdict::Gone));
        for status in [429, 500, 503] {
            assert!(matches!(Verdict::of_status(status, None), Verdict::Later { .. }), "{status}");
        }
        for status in [301, 400, 403, 413] {
            assert!(matches!(Verdict::of_status(status, None), Verdict::Refused(_)), "{status}");
        }
    }
}
