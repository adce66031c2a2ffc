use std::collections::HashMap;

use godwit_kernel::UserId;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Room for files that pass through this process: so many at once, and few of one person, for who sends slowly holds
/// their place for long.
pub struct FileRoom {
    places: Semaphore,
    per_user: usize,
    by_user: Mutex<HashMap<UserId, usize>>,
}

/// A place in it, until it is dropped.
pub struct FilePlace<'a> {
    room: &'a FileRoom,
    user_id: UserId,
    _place: SemaphorePermit<'a>,
}

impl FileRoom {
    /// An empty one.
    pub fn new(places: usize, per_user: usize) -> Self {
        Self { places: Semaphore::new(places), per_user, by_user: Mutex::default() }
    }

    /// A place for a file of this user; `None` when there is none, or the user has theirs already.
    pub fn enter(&self, user_id: UserId) -> Option<FilePlace<'_>> {
        let place = self.places.try_acquire().ok()?;
        let mut by_user = self.by_user.lock();
        let taken = by_user.entry(user_id).or_default();
        if *taken >= self.per_user {
            return None;
        }
        *taken += 1;
        Some(FilePlace { room: self, user_id, _place: place })
    }
}

impl Drop for FilePlace<'_> {
    fn drop(&mut self) {
        let mut by_user = self.room.by_user.lock();
        if let Some(taken) = by_user.get_mut(&self.user_id) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                by_user.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn one_person_takes_a_few_places_and_all_take_no_more_than_there_are() {
        let room = FileRoom::new(3, 2);
        let [ada, bob, eve] = [(); 3].map(|()| UserId::generate(&SystemClock, &SystemEntropy));
        let (first, second) = (room.enter(ada).unwrap(), room.enter(ada).unwrap());
        assert!(room.enter(ada).is_none(), "two are enough for one");
        let third = room.enter(bob).unwrap();
        assert!(room.enter(eve).is_none(), "it is full");
        drop(first);
        let again = room.enter(ada).unwrap();
        drop((second, third, again));
        assert!(room.by_user.lock().is_empty());
    }
}
