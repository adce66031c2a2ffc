use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use godwit_kernel::ChatId;
use tokio::sync::{Mutex, MutexGuard};

/// Chats share so many places; two of one place take turns without need.
const PLACES: usize = 1_024;

/// Lets one call at a time deliver the updates of a chat in this process: who waited finds nothing left to do, instead of
/// delivering the same beside the other. Correctness does not depend on it.
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(PLACES).collect())
    }
}

impl Turns {
    /// Waits until nobody else delivers the updates of this chat; `None` never happens but for a program error.
    pub(super) async fn take(&self, chat_id: ChatId) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        chat_id.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PLACES as u64).unwrap_or(0);
        match self.0.get(place) {
            Some(place) => Some(place.lock().await),
            None => None,
        }
    }
}
