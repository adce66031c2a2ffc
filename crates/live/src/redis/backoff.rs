use std::time::Duration;

use godwit_kernel::{SystemEntropy, jittered};

const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_secs(2);

/// Growing pauses between attempts, each shortened by up to half so that processes do not come back all at once.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        jittered(pause, &SystemEntropy)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing has failed since it last went well; a failure is logged only the first time.
    pub(super) fn is_fresh(&self) -> bool {
        self.failures == 0
    }
}
