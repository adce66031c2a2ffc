use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a service is not asked for what can do without it.
const REST: Duration = Duration::from_secs(10);

/// Since when a service that did not answer is left alone; clones share it.
#[derive(Clone, Default)]
pub struct Rest(Arc<Mutex<Option<Instant>>>);

impl Rest {
    /// Whether it is to be left alone still.
    pub fn is_on(&self) -> bool {
        self.0.lock().is_some_and(|until| Instant::now() < until)
    }

    /// Leaves it alone from now on.
    pub fn begin(&self) {
        *self.0.lock() = Some(Instant::now() + REST);
    }
}
