use std::collections::HashMap;
use std::time::{Duration, Instant};

use godwit_kernel::SessionId;
use parking_lot::RwLock;

/// Longer than an access token lives. What auth lists anew is kept anew.
const KEPT: Duration = Duration::from_secs(20 * 60);

/// The sessions that ended and whose tokens may still be in their life. As many as were ended in that time: 32 bytes
/// each.
#[derive(Default)]
pub struct Revocations {
    ended: RwLock<HashMap<SessionId, Instant>>,
}

impl Revocations {
    /// Whether the session has ended.
    pub fn has(&self, session: SessionId) -> bool {
        self.ended.read().contains_key(&session)
    }

    /// Remembers that the session has ended.
    pub fn add(&self, session: SessionId) {
        self.ended.write().insert(session, Instant::now() + KEPT);
    }

    /// Forgets those whose tokens are over.
    pub fn purge(&self) {
        let now = Instant::now();
        self.ended.write().retain(|_, forget_at| *forget_at > now);
    }
}
