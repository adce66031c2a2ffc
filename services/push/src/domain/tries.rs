use std::time::Duration;

use godwit_kernel::{Entropy, MessageId, pause_between};
use time::OffsetDateTime;

use super::Address;

/// How often a notification is tried.
pub const ATTEMPTS_MAX: i32 = 6;
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_FACTOR: u32 = 4;
const PAUSE_LONGEST: Duration = Duration::from_secs(30 * 60);
/// A push service may ask for a longer pause, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A claimed try: one message to one device.
pub struct Delivery {
    /// Where it goes.
    pub address: Address,
    /// The message that it tells of.
    pub message_id: MessageId,
    /// Which try this is, from 1 on.
    pub attempt: i32,
    /// Whether the message mentions the person.
    pub is_mention: bool,
    /// The person has read it meanwhile.
    pub is_read: bool,
    /// The device was told of few chats lately.
    pub is_of_few_chats: bool,
    /// When it is too late to tell.
    pub expires_at: OffsetDateTime,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The push service took it.
    Accepted {
        /// The push service's own name for it.
        id: Option<String>,
    },
    /// The address is over.
    Gone {
        /// Since when, if the push service says: an address that was registered later is another one.
        since: Option<OffsetDateTime>,
    },
    /// It may do later.
    Later {
        /// Who is to wait.
        scope: Scope,
        /// The pause that the push service asked for.
        retry_after: Option<Duration>,
        /// What happened.
        cause: String,
    },
    /// It will never do.
    Refused(String),
}

/// What a failure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One device.
    Device,
    /// The push service as a whole.
    Provider,
}

impl Verdict {
    /// A failure that says nothing of when to try again.
    pub fn later(scope: Scope, cause: impl Into<String>) -> Self {
        Self::Later { scope, retry_after: None, cause: cause.into() }
    }

    /// What the answer of a browser's push service means (RFC 8030, sections 5 and 7.3). Endpoints are chosen by strangers,
    /// so a failure of one says nothing of the others.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Accepted { id: None },
            404 | 410 => Self::Gone { since: None },
            408 | 429 | 500..=599 => {
                Self::Later { scope: Scope::Device, retry_after, cause: format!("status {status}") }
            }
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
    let own = pause_between(nominal, nominal * 3 / 2, entropy);
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
        assert_eq!(Verdict::of_status(201, None), Verdict::Accepted { id: None });
        for status in [404, 410] {
            assert_eq!(Verdict::of_status(status, None), Verdict::Gone { since: None });
        }
        for status in [429, 500, 503] {
            assert!(matches!(Verdict::of_status(status, None), Verdict::Later { .. }), "{status}");
        }
        for status in [301, 400, 403, 413] {
            assert!(matches!(Verdict::of_status(status, None), Verdict::Refused(_)), "{status}");
        }
    }
}
