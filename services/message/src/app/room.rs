use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits count KiB, so that a 32-bit count of them is enough.
const UNIT_BYTES: usize = 1024;

/// A bounded number of bytes that may wait somewhere at once.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

/// Some bytes of a [`Room`]; they are free again when it is dropped.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

impl Room {
    /// Room for this many bytes.
    pub fn for_bytes(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    /// Takes room for `bytes`, in whole KiB, if there is enough now.
    pub fn try_take(&self, bytes: usize) -> Option<Held> {
        let units = u32::try_from(bytes / UNIT_BYTES + 1).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok().map(Held)
    }

    /// How many bytes there is room for now.
    pub fn free_bytes(&self) -> usize {
        self.0.available_permits() * UNIT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_makes_room() {
        let room = Room::for_bytes(3 * 1024);
        let first = room.try_take(2_000).unwrap();
        assert!(room.try_take(2_000).is_none());
        assert!(room.try_take(10).is_some());
        drop(first);
        assert!(room.try_take(2_000).is_some());
    }
}
