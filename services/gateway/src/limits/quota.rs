use std::net::IpAddr;
use std::time::Duration;

use godwit_kernel::{DeviceId, UserId};
use godwit_live::TokenBucket;

use super::{Class, subscriber};

/// Whose calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A user, on all devices.
    User(UserId),
    /// One device, so that it leaves some to the others.
    Device(DeviceId),
    /// A subscriber's network, where nobody is known.
    Address(IpAddr),
}

impl Holder {
    /// Whoever calls from here.
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(subscriber(address))
    }

    /// For metrics.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Device(_) => "device",
            Self::Address(_) => "address",
        }
    }

    /// The key of the bucket that all gateways share.
    pub fn key(self, class: Class) -> String {
        match self {
            Self::User(id) => format!("gateway:{class}:user:{id}"),
            Self::Device(id) => format!("gateway:{class}:device:{id}"),
            Self::Address(address) => format!("gateway:{class}:address:{address}"),
        }
    }
}

/// What a bucket said of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// What was counted.
    pub class: Class,
    /// With whom.
    pub holder: Holder,
    /// Out of this.
    pub bucket: TokenBucket,
    /// Calls left.
    pub remaining: u32,
    /// `None` when the call may go on, else when the next one may.
    pub retry_after: Option<Duration>,
}

impl Quota {
    /// `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10: how many calls in how many seconds.
    pub fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name(), self.bucket.capacity, self.secs_for(self.bucket.capacity))
    }

    /// `RateLimit` of the same draft: how many calls are left, and in how many seconds there are all of them again.
    pub fn state(&self) -> String {
        let missing = self.bucket.capacity.saturating_sub(self.remaining);
        format!("\"{}\";r={};t={}", self.name(), self.remaining, self.secs_for(missing))
    }

    fn name(&self) -> String {
        match self.holder {
            Holder::Device(_) => format!("{}-device", self.class),
            Holder::User(_) | Holder::Address(_) => self.class.to_string(),
        }
    }

    fn secs_for(&self, tokens: u32) -> u64 {
        let time = Duration::try_from_secs_f64(f64::from(tokens) / self.bucket.refill_per_sec);
        time.map_or(u64::MAX, |time| u64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn headers_tell_the_policy_and_what_is_left() {
        let bucket = TokenBucket { capacity: 80, refill_per_sec: 20.0 };
        let holder = Holder::of_address(Ipv4Addr::LOCALHOST.into());
        let quota = Quota { class: Class::Search, holder, bucket, remaining: 59, retry_after: None };
        assert_eq!((quota.policy().as_str(), quota.state().as_str()), (r#""search";q=80;w=4"#, r#""search";r=59;t=2"#));
    }
}
