use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use godwit_kernel::Entropy;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::Error;
use crate::domain::Password;

/// The niceness of the threads that hash (setpriority(2): 0 is everybody, 19 the lowest): when there is not enough of
/// the machine for all, messages go before logins.
const NICENESS: i32 = 15;

/// How much of the machine passwords may take.
#[derive(Clone, Copy, Debug)]
pub struct PasswordOptions {
    /// bcrypt's cost: 2^cost rounds.
    pub cost: u32,
    /// How many are hashed at once.
    pub workers: usize,
    /// How many more may wait.
    pub queue: usize,
}

type Job = Box<dyn FnOnce() + Send>;

/// bcrypt on a few threads of its own, of low priority. When all are busy and the queue is full, the next is shed.
pub struct PasswordPool {
    cost: u32,
    dummy_hash: Arc<str>,
    entropy: Arc<dyn Entropy>,
    places: Arc<Semaphore>,
    /// Bounded as the places are, so that it is never full; the threads end with it.
    jobs: mpsc::SyncSender<Job>,
}

/// The right to hash one password, now or after those before.
pub struct Place(OwnedSemaphorePermit);

impl PasswordPool {
    /// A pool, and in it the hash that unknown accounts are compared with.
    ///
    /// # Errors
    /// When the cost is none that bcrypt knows, or a thread cannot be started.
    pub async fn start(options: PasswordOptions, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let capacity = options.workers + options.queue;
        let (jobs, queue) = mpsc::sync_channel(capacity);
        start_threads(options.workers, queue).map_err(Error::PasswordThread)?;
        let places = Arc::new(Semaphore::new(capacity));
        let mut pool = Self { cost: options.cost, dummy_hash: Arc::from(""), entropy, places, jobs };
        let (cost, salt, password) = (options.cost, pool.entropy.bytes::<16>(), pool.entropy.bytes::<32>());
        let place = pool.reserve()?;
        let hash = pool.run(place, move || bcrypt::hash_with_salt(password, cost, salt)).await?;
        pool.dummy_hash = hash.to_string().into();
        Ok(pool)
    }

    /// Takes a place, or sheds the call.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub fn reserve(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            metrics::counter!("godwit_auth_passwords_shed_total").increment(1);
            Error::Busy
        })?;
        Ok(Place(permit))
    }

    /// The hash of a password that is to be set.
    ///
    /// # Errors
    /// When its thread gives it up.
    pub async fn hash(&self, place: Place, password: Password) -> Result<String, Error> {
        let (cost, salt) = (self.cost, self.entropy.bytes::<16>());
        let parts = self.run(place, move || bcrypt::hash_with_salt(password.as_bytes(), cost, salt)).await?;
        Ok(parts.to_string())
    }

    /// Whether the password is that of `hash`; without one, false after the same work.
    ///
    /// # Errors
    /// When `hash` is none.
    pub async fn verify(&self, place: Place, password: Password, hash: Option<String>) -> Result<bool, Error> {
        let (is_known, hash) = match hash {
            Some(hash) => (true, Arc::from(hash)),
            None => (false, Arc::clone(&self.dummy_hash)),
        };
        let is_right = self.run(place, move || bcrypt::verify(password.as_bytes(), &hash)).await?;
        Ok(is_right && is_known)
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> bcrypt::BcryptResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, result) = oneshot::channel();
        let (waited_since, cost) = (Instant::now(), self.cost.to_string());
        // The place goes with the work: a caller that gave up frees none while its work still runs.
        let job: Job = Box::new(move || {
            let Place(permit) = place;
            metrics::histogram!("godwit_auth_password_wait_seconds").record(waited_since.elapsed());
            if answer.is_closed() {
                return;
            }
            let started_at = Instant::now();
            let result = work();
            metrics::histogram!("godwit_auth_password_hash_seconds", "cost" => cost).record(started_at.elapsed());
            drop(permit);
            // Nobody listens any more when the caller gave up meanwhile.
            let _ = answer.send(result);
        });
        // Neither full nor closed while a place is held; were it, the call is shed.
        self.jobs.try_send(job).map_err(|_| Error::Busy)?;
        Ok(result.await??)
    }
}

fn start_threads(count: usize, queue: mpsc::Receiver<Job>) -> std::io::Result<()> {
    let queue = Arc::new(Mutex::new(queue));
    for number in 0..count {
        let queue = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name(format!("passwords-{number}"));
        thread.spawn(move || {
            lower_priority();
            // One thread waits for the next job, the others for their turn to wait.
            while let Ok(job) = { queue.lock().recv() } {
                // A thread that a panic ended would be missed for good; the caller hears of it by its channel.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
            }
        })?;
    }
    Ok(())
}

/// Of the calling thread only, as Linux has it (setpriority(2), "C library/kernel differences").
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(error = &error as &dyn std::error::Error, "passwords are hashed at normal priority");
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    async fn pool(workers: usize, queue: usize) -> PasswordPool {
        let options = PasswordOptions { cost: 4, workers, queue };
        PasswordPool::start(options, Arc::new(SystemEntropy)).await.unwrap()
    }

    fn password(text: &str) -> Password {
        Password::attempt(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_compared_to_its_last_byte() {
        let pool = pool(1, 1).await;
        let longest = "x".repeat(72);
        let hash = pool.hash(pool.reserve().unwrap(), password(&longest)).await.unwrap();
        assert!(pool.verify(pool.reserve().unwrap(), password(&longest), Some(hash.clone())).await.unwrap());
        let other = format!("{}y", "x".repeat(71));
        assert!(!pool.verify(pool.reserve().unwrap(), password(&other), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn no_hash_is_never_right() {
        let pool = pool(1, 1).await;
        assert!(!pool.verify(pool.reserve().unwrap(), password("anything"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_sheds() {
        let pool = pool(1, 1).await;
        let places = [pool.reserve().unwrap(), pool.reserve().unwrap()];
        assert!(matches!(pool.reserve(), Err(Error::Busy)));
        drop(places);
        assert!(pool.reserve().is_ok());
    }

    #[tokio::test]
    async fn hashing_gives_way_and_nothing_else_does() {
        let pool = pool(1, 1).await;
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let place = pool.reserve().unwrap();
        let of_thread = pool.run(place, move || Ok(niceness())).await.unwrap();
        assert_eq!(of_thread, NICENESS);
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_thread_with_it() {
        let pool = pool(1, 1).await;
        let panicked = pool.run::<()>(pool.reserve().unwrap(), || panic!("on purpose")).await;
        assert!(matches!(panicked, Err(Error::PasswordInterrupted(_))));
        assert!(pool.hash(pool.reserve().unwrap(), password("still here")).await.is_ok());
        assert_eq!(pool.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_done() {
        let pool = pool(1, 2).await;
        let (begun, is_begun) = oneshot::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let blocking = pool.run(pool.reserve().unwrap(), move || {
            begun.send(()).ok();
            may_go.recv().ok();
            Ok(())
        });
        let given_up = pool.run(pool.reserve().unwrap(), || -> bcrypt::BcryptResult<()> { panic!("nobody waits") });
        let (first, ()) = tokio::join!(blocking, async {
            is_begun.await.unwrap();
            drop(tokio::time::timeout(std::time::Duration::ZERO, given_up).await);
            go.send(()).unwrap();
        });
        first.unwrap();
        assert!(pool.hash(pool.reserve().unwrap(), password("after it")).await.is_ok());
        assert_eq!(pool.places.available_permits(), 3);
    }
}
