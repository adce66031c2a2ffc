use std::sync::Arc;
use std::time::Instant;

use godwit_kernel::Entropy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;
use crate::domain::Password;

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

/// bcrypt in a bounded part of the blocking pool. When all workers are busy and the queue is full, the next is shed.
pub struct PasswordPool {
    cost: u32,
    dummy_hash: Arc<str>,
    entropy: Arc<dyn Entropy>,
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// The right to hash one password, now or after those before.
pub struct Place(OwnedSemaphorePermit);

impl PasswordPool {
    /// A pool, and in it the hash that unknown accounts are compared with.
    ///
    /// # Errors
    /// When the cost is none that bcrypt knows.
    pub async fn start(options: PasswordOptions, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let (salt, password) = (entropy.bytes::<16>(), entropy.bytes::<32>());
        let hash = tokio::task::spawn_blocking(move || bcrypt::hash_with_salt(password, options.cost, salt)).await??;
        Ok(Self {
            cost: options.cost,
            dummy_hash: hash.to_string().into(),
            entropy,
            places: Arc::new(Semaphore::new(options.workers + options.queue)),
            workers: Arc::new(Semaphore::new(options.workers)),
        })
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
    /// When the blocking pool ends.
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
        let waited_since = Instant::now();
        // Closed never: an error here would mean a worker without limit, so it is shed.
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Error::Busy)?;
        metrics::histogram!("godwit_auth_password_wait_seconds").record(waited_since.elapsed());
        // The permits go with the work: a caller that gave up frees none while its work still runs.
        let result = tokio::task::spawn_blocking(move || {
            let started_at = Instant::now();
            let result = work();
            metrics::histogram!("godwit_auth_password_hash_seconds").record(started_at.elapsed());
            drop((worker, place.0));
            result
        });
        Ok(result.await??)
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
}
