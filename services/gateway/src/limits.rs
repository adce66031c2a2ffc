//! Who may do how much: a class of routes ([`Class`]) has a bucket for each user, device or address, and [`Rooms`] for
//! the calls that are served at once, [`FileRoom`] for the files that pass through.

mod breaker;
mod bucket;
mod class;
mod files;
mod quota;
mod room;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_live::{Live, TokenBucket, TokenDecision};
use godwit_rpc::Caller;
use moka::sync::Cache;
use parking_lot::Mutex;

pub use bucket::Bucket;
pub use class::{Class, ClassRate};
pub use files::FileRoom;
pub use quota::{Holder, Quota};
pub use room::{RoomSizes, Rooms};

use breaker::Breaker;

/// The shared store is not waited for longer than this.
const STORE_TIMEOUT: Duration = Duration::from_millis(100);
/// Buckets of this process that are remembered; a bucket that is forgotten begins full.
const LOCAL_MAX: u64 = 200_000;
const LOCAL_IDLE: Duration = Duration::from_secs(60);
/// How many seconds' worth of calls may come at once.
const BURST_SECS: u32 = 4;

/// Token buckets. Those of users and addresses are shared by all gateways; while the store that holds them is down,
/// each gateway has its own. Those of devices are each gateway's own always: a device talks to one at a time.
pub struct Limiter {
    live: Arc<dyn Live>,
    store: Breaker,
    local: Cache<(Class, Holder), Arc<Mutex<Bucket>>>,
    rates: Rates,
}

/// How many requests a second there may be in the long run; four times as many at once.
#[derive(Clone, Debug)]
pub struct Rates {
    /// Of one user: reads. Other classes have a share of it.
    pub user: u32,
    /// Of one address, without a user.
    pub address: u32,
    /// Of one address or user, for what is costly to auth.
    pub logins: u32,
    /// Instead, for some classes.
    pub classes: Vec<ClassRate>,
}

impl Rates {
    fn per_sec(&self, class: Class) -> u32 {
        if let Some(rate) = self.classes.iter().rfind(|rate| rate.class == class) {
            return rate.per_sec;
        }
        let share = |of: u32| (self.user / of).max(1);
        match class {
            Class::Read => self.user,
            Class::Write | Class::Send | Class::Media => share(2),
            Class::Sync => share(4),
            Class::Search => share(10),
            Class::Login => self.logins,
            Class::Open => self.address,
        }
    }

    fn bucket(&self, class: Class, holder: Holder) -> TokenBucket {
        let per_sec = self.per_sec(class);
        let bucket = |per_sec: f64, capacity| TokenBucket { capacity, refill_per_sec: per_sec };
        match holder {
            // One device that runs wild leaves the others of its user a quarter.
            Holder::Device(_) => bucket(f64::from(per_sec) * 0.75, (per_sec.saturating_mul(BURST_SECS) / 4 * 3).max(1)),
            Holder::User(_) | Holder::Address(_) => bucket(per_sec.into(), per_sec.saturating_mul(BURST_SECS)),
        }
    }
}

impl Limiter {
    /// Limits of these rates.
    pub fn new(live: Arc<dyn Live>, rates: Rates) -> Self {
        let local = Cache::builder().max_capacity(LOCAL_MAX).time_to_idle(LOCAL_IDLE).build();
        Self { live, store: Breaker::new(Instant::now()), local, rates }
    }

    /// Counts a call of a user; the tighter of what the device and the user have left.
    pub async fn take_for_caller(&self, class: Class, caller: &Caller) -> Quota {
        let of_device = self.take_local(class, Holder::Device(caller.device_id));
        if of_device.retry_after.is_some() {
            return counted(of_device);
        }
        let of_user = self.take_shared(class, Holder::User(caller.user_id)).await;
        counted(if of_user.retry_after.is_none() && of_device.remaining < of_user.remaining {
            of_device
        } else {
            of_user
        })
    }

    /// Counts a call of nobody in particular.
    pub async fn take_for_address(&self, class: Class, address: IpAddr) -> Quota {
        counted(self.take_shared(class, Holder::of_address(address)).await)
    }

    async fn take_shared(&self, class: Class, holder: Holder) -> Quota {
        if !self.store.lets_through(Instant::now()) {
            return self.take_instead(class, holder);
        }
        let bucket = self.rates.bucket(class, holder);
        let key = holder.key(class);
        let quota = |remaining, retry_after| Quota { class, holder, bucket, remaining, retry_after };
        match tokio::time::timeout(STORE_TIMEOUT, self.live.take_token(&key, bucket)).await {
            Ok(Ok(decision)) => {
                self.store.worked();
                match decision {
                    TokenDecision::Taken { remaining } => quota(remaining, None),
                    TokenDecision::Empty { retry_after } => quota(0, Some(retry_after)),
                }
            }
            Ok(Err(_)) | Err(_) => {
                self.store.failed(Instant::now());
                self.take_instead(class, holder)
            }
        }
    }

    /// While the store is down.
    fn take_instead(&self, class: Class, holder: Holder) -> Quota {
        metrics::counter!("gateway_local_limits_total").increment(1);
        self.take_local(class, holder)
    }

    fn take_local(&self, class: Class, holder: Holder) -> Quota {
        let bucket = self.rates.bucket(class, holder);
        let local = self.local.get_with((class, holder), || Arc::new(Mutex::new(Bucket::new(bucket))));
        let mut local = local.lock();
        let retry_after = local.take().err();
        Quota { class, holder, bucket, remaining: local.remaining(), retry_after }
    }
}

fn counted(quota: Quota) -> Quota {
    if quota.retry_after.is_some() {
        let (class, holder) = (quota.class.name(), quota.holder.kind());
        metrics::counter!("gateway_limited_requests_total", "class" => class, "holder" => holder).increment(1);
    }
    quota
}

/// What one subscriber has: an IPv4 address, or the /64 of an IPv6 address.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
    use godwit_live::memory::MemoryLive;

    use super::*;

    fn caller() -> Caller {
        Caller {
            user_id: UserId::generate(&SystemClock, &SystemEntropy),
            session_id: SessionId::generate(&SystemClock, &SystemEntropy),
            device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
        }
    }

    fn limiter(user: u32) -> Limiter {
        Limiter::new(Arc::new(MemoryLive::new()), Rates { user, address: 1, logins: 1, classes: vec![] })
    }

    /// How many calls go through at once.
    async fn burst(limiter: &Limiter, class: Class, caller: &Caller) -> usize {
        let mut count = 0;
        while limiter.take_for_caller(class, caller).await.retry_after.is_none() {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn one_device_leaves_some_to_the_other_and_one_user_all_to_another() {
        let limiter = limiter(2);
        let greedy = caller();
        let other_device = Caller { user_id: greedy.user_id, ..caller() };
        assert_eq!(burst(&limiter, Class::Read, &greedy).await, 6);
        assert_eq!(burst(&limiter, Class::Read, &other_device).await, 2);
        assert_eq!(burst(&limiter, Class::Read, &caller()).await, 6);
    }

    #[tokio::test]
    async fn classes_are_counted_apart() {
        let limiter = limiter(40);
        let caller = caller();
        assert_eq!(burst(&limiter, Class::Search, &caller).await, 12);
        assert!(limiter.take_for_caller(Class::Send, &caller).await.retry_after.is_none());
    }

    #[tokio::test]
    async fn a_class_may_be_given_a_rate_of_its_own() {
        let classes = vec!["search=10".parse().unwrap()];
        let rates = Rates { user: 40, address: 1, logins: 1, classes };
        let limiter = Limiter::new(Arc::new(MemoryLive::new()), rates);
        assert_eq!(limiter.take_for_caller(Class::Search, &caller()).await.bucket.capacity, 30);
    }

    #[test]
    fn a_subscriber_cannot_escape_by_changing_addresses_within_its_network() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
