use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::stage::Group;

/// How many tests use the one group. It ends with the last of them: three replicas that vote cost a fifth of a core for as
/// long as they run. When fewer are run it ends with the test's process; when there are more, it starts anew for them.
const TESTS: usize = 10;

static GROUP: RwLock<Option<Group>> = RwLock::const_new(None);
static DONE: AtomicUsize = AtomicUsize::new(0);

/// The group beside other tests, which let everything run too.
pub struct Shared {
    group: Option<RwLockReadGuard<'static, Option<Group>>>,
}

/// The group for one test alone. It leaves all replicas running.
pub struct Exclusive {
    group: Option<RwLockWriteGuard<'static, Option<Group>>>,
}

impl Group {
    /// For tests that let everything run.
    pub async fn shared() -> Shared {
        let group = GROUP.read().await;
        if group.is_some() {
            return Shared { group: Some(group) };
        }
        drop(group);
        Shared { group: Some(RwLockWriteGuard::downgrade(running().await)) }
    }

    /// For tests that kill and freeze replicas, and start them again.
    pub async fn exclusive() -> Exclusive {
        Exclusive { group: Some(running().await) }
    }
}

async fn running() -> RwLockWriteGuard<'static, Option<Group>> {
    let mut group = GROUP.write().await;
    if group.is_none() {
        *group = Some(Group::start().await);
    }
    group
}

impl Deref for Shared {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group.as_ref().and_then(|group| group.as_ref()).expect("it is there until it is given back")
    }
}

impl Deref for Exclusive {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group.as_ref().and_then(|group| group.as_ref()).expect("it is there until it is given back")
    }
}

impl DerefMut for Exclusive {
    fn deref_mut(&mut self) -> &mut Group {
        self.group.as_mut().and_then(|group| group.as_mut()).expect("it is there until it is given back")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.group.take());
        one_is_done();
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody knows what is left of it: the next test gets another.
            drop(self.group.as_mut().and_then(|group| group.take()));
        }
        drop(self.group.take());
        one_is_done();
    }
}

fn one_is_done() {
    if DONE.fetch_add(1, Ordering::Relaxed) + 1 == TESTS
        && let Ok(mut group) = GROUP.try_write()
    {
        drop(group.take());
    }
}
