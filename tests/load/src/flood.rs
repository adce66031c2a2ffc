//! Logins of people who do not exist, beside the load: what they cost those who write to each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use godwit_contract::auth::v1::{Device, LoginRequest};
use godwit_kernel::{DeviceId, Entropy, SystemClock, SystemEntropy};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use url::Url;

use crate::options::Options;

/// More are not under way at once; what would be is counted as held back.
const UNDER_WAY_MAX: usize = 1_024;
const TIMEOUT: Duration = Duration::from_secs(20);
/// Logins are offered in bunches of this distance.
const BUNCH: Duration = Duration::from_millis(10);

/// A flood that is going on.
pub struct Flood {
    _tasks: JoinSet<()>,
    counts: Arc<Counts>,
    begun_at: Instant,
}

#[derive(Default)]
struct Counts {
    outcomes: Mutex<BTreeMap<String, u64>>,
    held_back: AtomicU64,
}

/// What became of the logins.
#[derive(Serialize)]
pub struct FloodReport {
    /// Answered a second.
    pub answered_per_sec: f64,
    /// Answers by reason.
    pub outcomes: BTreeMap<String, u64>,
    /// Not offered, because too many were under way.
    pub held_back: u64,
}

impl Flood {
    /// Begins to offer logins, `rate` a second over all gateways, until this value is dropped.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn begin(options: &Options, rate: f64) -> anyhow::Result<Self> {
        // Plain HTTP to this machine; the client wants a provider for TLS all the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let urls = options.gateways.iter().map(|gateway| gateway.join("auth/login"));
        let urls = urls.collect::<Result<Vec<_>, _>>()?;
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(offer(http, urls, rate, Arc::clone(&counts)));
        Ok(Self { _tasks: tasks, counts, begun_at: Instant::now() })
    }

    /// What became of the logins so far.
    pub fn report(&self) -> FloodReport {
        let outcomes = self.counts.outcomes.lock().clone();
        let answered = crate::report::to_f64(outcomes.values().sum());
        let held_back = self.counts.held_back.load(Ordering::Relaxed);
        FloodReport { answered_per_sec: answered / self.begun_at.elapsed().as_secs_f64(), outcomes, held_back }
    }
}

async fn offer(http: reqwest::Client, urls: Vec<Url>, rate: f64, counts: Arc<Counts>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut logins = JoinSet::new();
    let mut bunches = interval(BUNCH);
    bunches.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut due = 0.0;
    let mut urls = urls.iter().cycle();
    loop {
        bunches.tick().await;
        due += rate * BUNCH.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                counts.held_back.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let Some(url) = urls.next().cloned() else { return };
            let (http, counts) = (http.clone(), Arc::clone(&counts));
            logins.spawn(async move {
                let outcome = log_in(&http, url).await;
                *counts.outcomes.lock().entry(outcome).or_default() += 1;
                drop(place);
            });
        }
        while logins.try_join_next().is_some() {}
    }
}

/// A login of a person who does not exist, from an address that nobody else has: a gateway that trusts one proxy takes
/// each for another client.
async fn log_in(http: &reqwest::Client, url: Url) -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    let random = entropy.bytes::<8>();
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let [one, two, three, ..] = random;
    let id = DeviceId::generate(&SystemClock, entropy).to_string();
    let device = Device { id, name: "godwit-load".to_owned(), platform: "linux".to_owned() };
    let request = LoginRequest { login: name, password: "not the password".to_owned(), device: Some(device) };
    let asked = http.post(url).header("x-forwarded-for", format!("10.{one}.{two}.{three}")).json(&request);
    let Ok(answer) = asked.send().await else { return "no answer".to_owned() };
    let status = answer.status().as_u16();
    match answer.json::<Refusal>().await {
        Ok(refusal) => refusal.reason,
        Err(_) => status.to_string(),
    }
}

/// What is read of a problem (RFC 9457).
#[derive(Deserialize)]
struct Refusal {
    reason: String,
}
