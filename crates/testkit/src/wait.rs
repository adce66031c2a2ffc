use std::panic::Location;
use std::time::{Duration, Instant};

/// How often [`eventually`] looks.
const PAUSE: Duration = Duration::from_millis(15);

/// What a look at a condition gives: `bool`, `Option<T>` or `Result<T, E>`.
pub trait Probe {
    /// What is had when the condition holds.
    type Value;

    /// The value, or why there is none yet.
    ///
    /// # Errors
    /// When the condition does not hold yet.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl Probe for bool {
    type Value = ();

    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it was false".to_owned()) }
    }
}

impl<T> Probe for Option<T> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "there was nothing".to_owned())
    }
}

impl<T, E: std::fmt::Debug> Probe for Result<T, E> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Looks again and again until `probe` gives `true`, `Some` or `Ok`, and returns what it gave.
///
/// Panics with the caller's place and the last look's answer when that has not happened within `timeout`.
#[track_caller]
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn eventually<P, F>(timeout: Duration, mut probe: P) -> impl Future<Output = <F::Output as Probe>::Value>
where
    P: FnMut() -> F,
    F: Future<Output: Probe>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + timeout;
        loop {
            match probe().await.outcome() {
                Ok(value) => return value,
                Err(last) if Instant::now() >= deadline => panic!("not so within {timeout:?} at {caller}: {last}"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_first_success() {
        let mut looks = 0;
        let value = eventually(Duration::from_secs(5), || {
            looks += 1;
            let looks = looks;
            async move { (looks == 3).then_some(looks) }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not so within")]
    async fn waiting_ends_at_the_deadline() {
        eventually(Duration::from_millis(20), || async { false }).await;
    }
}
