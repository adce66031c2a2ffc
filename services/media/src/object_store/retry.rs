//! What a store is asked again, and when.

use std::time::{Duration, Instant};

use godwit_kernel::{SystemEntropy, jittered};
use godwit_rpc::RetryBudget;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// How often a request is sent at most.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Who asks to be left alone for longer is: the caller's own deadline is near, and jobs come again by themselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A request that took so long already is not sent again, for the same reason.
const LONGEST_TRY: Duration = Duration::from_secs(3);

/// What retries of all requests to a store share.
pub struct Budget(RetryBudget);

impl Budget {
    /// A burst of 20 retries, and one for each ten requests.
    pub const fn new() -> Self {
        Self(RetryBudget::of(40))
    }

    /// For one request.
    pub fn request(&self) -> Retries<'_> {
        self.0.deposit();
        Retries { budget: &self.0, left: TRIES - 1, pause: FIRST_PAUSE, begun_at: Instant::now() }
    }
}

/// What is left of the tries of one request.
pub struct Retries<'a> {
    budget: &'a RetryBudget,
    left: u32,
    pause: Duration,
    begun_at: Instant,
}

impl Retries<'_> {
    /// Waits until the request may be sent again, at least for as long as the store asks; false, at once, when it may not.
    pub async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let pause = jittered(self.pause, &SystemEntropy).max(asked.unwrap_or_default());
        let is_late = self.begun_at.elapsed() > LONGEST_TRY || pause > LONGEST_PAUSE;
        if self.left == 0 || is_late || !self.budget.withdraw() {
            return false;
        }
        self.left -= 1;
        self.pause *= 2;
        tokio::time::sleep(pause).await;
        true
    }
}

/// Whether a store that answers so may do what was asked a moment later (AWS: `SlowDown`, `InternalError`,
/// `ServiceUnavailable`; a proxy before it: 502 and 504). 501 is for good.
pub fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Whether a store that answers so has not done what was asked, and may do it a moment later.
pub fn is_put_off(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// The seconds of a `Retry-After` (RFC 9110, section 10.2.3); stores send no dates.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_sent_three_times_at_most_and_a_long_pause_is_the_callers() {
        let budget = Budget::new();
        let mut retries = budget.request();
        assert!(retries.wait(None).await && retries.wait(Some(Duration::ZERO)).await);
        assert!(!retries.wait(None).await);
        assert!(!budget.request().wait(Some(Duration::from_secs(60))).await);
    }

    #[tokio::test]
    async fn a_store_that_fails_always_is_not_asked_again_for_ever() {
        let budget = Budget::new();
        for _ in 0..20 {
            assert!(budget.0.withdraw());
        }
        assert!(!budget.request().wait(None).await, "nothing is left");
        for _ in 0..10 {
            budget.request();
        }
        assert!(budget.request().wait(None).await, "ten requests earn one retry");
    }
}
