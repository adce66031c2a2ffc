use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use godwit_kernel::{SystemEntropy, jittered};
use tonic::{Code, Status};

use crate::call::Inherited;

const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Calls again what may be done twice, when the answer was `UNAVAILABLE`: three times at most, after a pause of 25 to
/// 50 ms and one of 50 to 100 ms, and not past the deadline of the call that is being served.
///
/// All retries of the process share a budget of one retry for ten calls, so that they do not bury a service that
/// struggles.
///
/// # Errors
/// The status of the last try.
pub async fn retry_idempotent<T, F, Fut>(mut call: F) -> Result<T, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Status>>,
{
    BUDGET.deposit();
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        let status = match call().await {
            Err(status) if status.code() == Code::Unavailable => status,
            answer => return answer,
        };
        let pause_now = jittered(pause, &SystemEntropy);
        let wakes_at = Instant::now() + pause_now;
        if Inherited::current().is_some_and(|call| call.deadline <= wakes_at) || !BUDGET.withdraw() {
            return Err(status);
        }
        metrics::counter!("grpc_client_retries_total").increment(1);
        tokio::time::sleep(pause_now).await;
        pause *= 2;
    }
    call().await
}

static BUDGET: RetryBudget = RetryBudget::of(50);

/// Bounds what retries add to the load of who is in trouble: one retry for ten requests, after a burst.
pub struct RetryBudget {
    /// In tenths of retries.
    have: AtomicU32,
    max: u32,
}

impl RetryBudget {
    const RETRY: u32 = 10;

    /// For a burst of so many retries; it begins with half of them.
    pub const fn of(burst: u32) -> Self {
        let max = burst.saturating_mul(Self::RETRY);
        Self { have: AtomicU32::new(max / 2), max }
    }

    /// Counts a request.
    pub fn deposit(&self) {
        let _ = self.have.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |have| Some((have + 1).min(self.max)));
    }

    /// Takes a retry; false when none is left.
    pub fn withdraw(&self) -> bool {
        self.have.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |have| have.checked_sub(Self::RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn what_is_unavailable_for_a_moment_succeeds() {
        let tries = AtomicU32::new(0);
        let answer = retry_idempotent(|| async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(Status::unavailable("not now")),
                tries => Ok(tries),
            }
        });
        assert_eq!(answer.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn only_unavailable_is_tried_again_and_not_for_ever() {
        for (code, expected) in [(Code::Unavailable, TRIES), (Code::Internal, 1), (Code::DeadlineExceeded, 1)] {
            let tries = AtomicU32::new(0);
            let answer: Result<(), _> = retry_idempotent(|| async {
                tries.fetch_add(1, Ordering::Relaxed);
                Err(Status::new(code, "no"))
            })
            .await;
            assert_eq!(answer.unwrap_err().code(), code);
            assert_eq!(tries.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn an_empty_budget_refuses() {
        let budget = RetryBudget::of(2);
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
        for _ in 0..RetryBudget::RETRY {
            budget.deposit();
        }
        assert!(budget.withdraw());
    }
}
