//! Who may do how much.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_kernel::UserId;
use godwit_live::{Live, TokenBucket, TokenDecision};
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::Error;

/// The shared store is not waited for longer than this.
const STORE_TIMEOUT: Duration = Duration::from_millis(100);
/// Buckets of this process that are remembered while the store is down.
const LOCAL_MAX: u64 = 100_000;

/// Token buckets that all gateways share; while the store that holds them is down, each gateway has its own.
pub struct Limiter {
    live: Arc<dyn Live>,
    local: Cache<String, Arc<Mutex<Bucket>>>,
    by_user: TokenBucket,
    by_address: TokenBucket,
    logins: TokenBucket,
}

/// How many requests a second there may be in the long run; four times as many at once.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of one user.
    pub user: u32,
    /// Of one address, without a user.
    pub address: u32,
    /// Of one address, for what is costly without a user: logins and the like.
    pub logins: u32,
}

impl Limiter {
    /// Limits of these rates.
    pub fn new(live: Arc<dyn Live>, rates: Rates) -> Self {
        let bucket = |per_sec: u32| TokenBucket { capacity: per_sec.saturating_mul(4), refill_per_sec: per_sec.into() };
        let local = Cache::builder().max_capacity(LOCAL_MAX).time_to_idle(Duration::from_secs(60)).build();
        let [by_user, by_address, logins] = [rates.user, rates.address, rates.logins].map(bucket);
        Self { live, local, by_user, by_address, logins }
    }

    /// # Errors
    /// When the user made too many requests.
    pub async fn take_for_user(&self, user: UserId) -> Result<(), Error> {
        self.take(format!("gateway:user:{user}"), self.by_user).await
    }

    /// # Errors
    /// When too many requests came from the address.
    pub async fn take_for_address(&self, address: IpAddr) -> Result<(), Error> {
        self.take(format!("gateway:address:{}", subscriber(address)), self.by_address).await
    }

    /// For calls that cost auth a password hash or a mail. They have a bucket of their own, so that a flood of them is shed
    /// here and leaves the address its other requests.
    ///
    /// # Errors
    /// When too many of them came from the address.
    pub async fn take_for_login(&self, address: IpAddr) -> Result<(), Error> {
        self.take(format!("gateway:login:{}", subscriber(address)), self.logins).await
    }

    async fn take(&self, key: String, bucket: TokenBucket) -> Result<(), Error> {
        let retry_after = match tokio::time::timeout(STORE_TIMEOUT, self.live.take_token(&key, bucket)).await {
            Ok(Ok(TokenDecision::Taken { .. })) => return Ok(()),
            Ok(Ok(TokenDecision::Empty { retry_after })) => retry_after,
            Ok(Err(_)) | Err(_) => {
                metrics::counter!("gateway_local_limits_total").increment(1);
                let local = self.local.get_with(key, || Arc::new(Mutex::new(Bucket::new(bucket))));
                match local.lock().take() {
                    Ok(()) => return Ok(()),
                    Err(retry_after) => retry_after,
                }
            }
        };
        Err(Error::RateLimited { retry_after })
    }
}

/// What one subscriber has: an IPv4 address, or the /64 of an IPv6 address.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

/// A token bucket of this process.
#[derive(Debug)]
pub struct Bucket {
    size: TokenBucket,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(size: TokenBucket) -> Self {
        Self { size, tokens: size.capacity.into(), filled_at: Instant::now() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When there is none, with the time until there is.
    pub fn take(&mut self) -> Result<(), Duration> {
        let now = Instant::now();
        let added = now.duration_since(self.filled_at).as_secs_f64() * self.size.refill_per_sec;
        self.tokens = (self.tokens + added).min(self.size.capacity.into());
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - self.tokens) / self.size.refill_per_sec).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use godwit_live::memory::MemoryLive;

    use super::*;

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_tells_when() {
        let mut bucket = Bucket::new(TokenBucket { capacity: 2, refill_per_sec: 0.1 });
        assert_eq!((bucket.take(), bucket.take()), (Ok(()), Ok(())));
        let pause = bucket.take().unwrap_err();
        assert!(pause > Duration::from_secs(9) && pause <= Duration::from_secs(10), "{pause:?}");
    }

    #[tokio::test]
    async fn one_user_over_the_limit_does_not_stop_another() {
        use godwit_kernel::{SystemClock, SystemEntropy};
        let limiter = Limiter::new(Arc::new(MemoryLive::new()), Rates { user: 1, address: 1, logins: 1 });
        let [greedy, modest] = [(); 2].map(|()| UserId::generate(&SystemClock, &SystemEntropy));
        for _ in 0..4 {
            limiter.take_for_user(greedy).await.unwrap();
        }
        assert!(matches!(limiter.take_for_user(greedy).await, Err(Error::RateLimited { .. })));
        limiter.take_for_user(modest).await.unwrap();
    }

    #[test]
    fn a_subscriber_cannot_escape_by_changing_addresses_within_its_network() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
