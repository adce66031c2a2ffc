use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tonic::body::Body;
use tonic::transport::{self, ClientTlsConfig, Endpoint};
use tonic::{Code, Status, TimeoutExpired};
use tower::ServiceExt as _;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a replica that could not be reached is passed over.
const REST_MS: u64 = 1_000;

/// The remote replicas of one target.
#[derive(Debug)]
pub(crate) struct Replicas {
    list: Vec<Replica>,
    next: AtomicUsize,
}

/// One remote process; the connection is made at the first call and again after it broke.
#[derive(Debug)]
pub(crate) struct Replica {
    hash: u64,
    channel: transport::Channel,
    /// [`now_ms`] of the last failure to reach it; 0 for never.
    failed_at_ms: AtomicU64,
}

impl Replicas {
    /// # Errors
    /// When an address is none.
    pub fn new(urls: &[String], tls: Option<&ClientTlsConfig>) -> Result<Self, transport::Error> {
        let list = urls.iter().map(|url| Replica::new(url, tls)).collect::<Result<_, _>>()?;
        Ok(Self { list, next: AtomicUsize::new(0) })
    }

    /// One after the other; `None` when there are none.
    pub fn balanced(&self) -> Option<&Replica> {
        let start = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.list.len())?;
        let (before, from) = self.list.split_at_checked(start)?;
        let mut turn = from.iter().chain(before);
        turn.clone().find(|replica| !replica.is_resting()).or_else(|| turn.next())
    }

    /// The replica with the highest score for the key (rendezvous hashing): every process picks the same, and when
    /// one goes only its keys move. `None` when there are none.
    pub fn keyed(&self, key: u64) -> Option<&Replica> {
        let score = |replica: &&Replica| mix(replica.hash ^ key);
        let awake = self.list.iter().filter(|replica| !replica.is_resting());
        awake.max_by_key(score).or_else(|| self.list.iter().max_by_key(score))
    }
}

impl Replica {
    fn new(url: &str, tls: Option<&ClientTlsConfig>) -> Result<Self, transport::Error> {
        let mut endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls.clone())?;
        }
        Ok(Self {
            hash: key_hash(url.trim_end_matches('/').as_bytes()),
            channel: endpoint.connect_lazy(),
            failed_at_ms: AtomicU64::new(0),
        })
    }

    pub async fn call(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let error = match self.channel.clone().oneshot(request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if timed_out(&error) {
            return Err(Status::deadline_exceeded("the call was not answered in time"));
        }
        let status = interrupted(Status::from_error(Box::new(error)));
        if status.code() == Code::Unavailable {
            self.failed_at_ms.store(now_ms(), Ordering::Relaxed);
        }
        Err(status)
    }

    fn is_resting(&self) -> bool {
        let failed_at = self.failed_at_ms.load(Ordering::Relaxed);
        failed_at != 0 && now_ms().saturating_sub(failed_at) < REST_MS
    }
}

/// What the caller of a call learns whose connection failed, while the other side said nothing: the call may or may not
/// have been served, and the same call may do later. The transport's own code depends on where it noticed.
pub(crate) fn interrupted(status: Status) -> Status {
    match status.code() {
        Code::DeadlineExceeded | Code::Unavailable => status,
        _ => Status::unavailable(status.message()),
    }
}

fn timed_out(error: &transport::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// FNV-1a: the same in every process, unlike the standard library's hashers.
pub(crate) fn key_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of splitmix64: every bit of the input moves every bit of the output.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Milliseconds since the first use, from 1 on.
fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(count: usize) -> Replicas {
        let urls: Vec<_> = (0..count).map(|n| format!("http://127.0.0.1:{}", 7_000 + n)).collect();
        Replicas::new(&urls, None).unwrap()
    }

    fn owner(replicas: &Replicas, key: u64) -> u64 {
        replicas.keyed(key_hash(&key.to_be_bytes())).unwrap().hash
    }

    #[tokio::test]
    async fn a_key_has_one_owner_and_moves_only_when_its_owner_goes() {
        let (three, two) = (replicas(3), replicas(2));
        let mut moved = 0;
        for key in 0..3_000 {
            let before = owner(&three, key);
            assert_eq!(before, owner(&three, key));
            if three.list.iter().position(|r| r.hash == before) == Some(2) {
                moved += 1;
            } else {
                assert_eq!(owner(&two, key), before);
            }
        }
        assert!((800..1_200).contains(&moved), "{moved} of 3000 keys had the third owner");
    }

    #[tokio::test]
    async fn a_replica_that_failed_is_passed_over_unless_it_is_the_only_one() {
        let two = replicas(2);
        two.list[0].failed_at_ms.store(now_ms(), Ordering::Relaxed);
        for key in 0..50 {
            assert_eq!(owner(&two, key), two.list[1].hash);
            assert_eq!(two.balanced().unwrap().hash, two.list[1].hash);
        }
        let one = replicas(1);
        one.list[0].failed_at_ms.store(now_ms(), Ordering::Relaxed);
        assert!(one.balanced().is_some() && one.keyed(7).is_some());
        assert!(replicas(0).balanced().is_none() && replicas(0).keyed(7).is_none());
    }

    #[tokio::test]
    async fn calls_are_spread_evenly() {
        let three = replicas(3);
        let taken: Vec<_> = (0..6).map(|_| three.balanced().unwrap().hash).collect();
        assert_eq!(taken[..3], taken[3..]);
        assert!(taken[0] != taken[1] && taken[1] != taken[2] && taken[0] != taken[2]);
    }
}
