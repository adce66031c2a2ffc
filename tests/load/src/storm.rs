//! Many clients that lose their sockets at once and come back: when all of them are live again, and what it took.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use godwit_contract::message::v1::{SyncRequest, SyncResponse};
use godwit_kernel::{Entropy, SystemEntropy};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};
use url::Url;

use crate::accounts::people;
use crate::crowd::costs;
use crate::many::{self, Failure};
use crate::options::{Encoding, Options, Storm};
use crate::report::{Percentiles, to_f64};
use crate::usage::{Watched, own_cpu_secs};
use crate::wire::Socket;

/// As the SDK pauses.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How many sockets are opened at once at the beginning, when nothing is measured.
const OPENED_AT_ONCE: usize = 64;
const SETTLE: Duration = Duration::from_secs(2);
const SYNC_LIMIT: u32 = 10_000;

/// What all clients share.
struct Sea {
    http: reqwest::Client,
    gateways: Vec<Url>,
    encoding: Encoding,
    give_up_at: Instant,
    seen: Mutex<Seen>,
}

struct Seen {
    /// From when a client's socket was lost until it had synced, in microseconds.
    live_again: Histogram<u64>,
    open_again: Histogram<u64>,
    failures: BTreeMap<String, u64>,
    answered: Answered,
    ready_count: u32,
    back_count: u32,
}

/// What syncs were answered with: what a client that comes back costs depends on it.
#[derive(Default)]
struct Answered {
    sync_count: u64,
    chat_count: u64,
    update_count: u64,
    /// Of the bodies, as JSON.
    byte_count: u64,
}

/// Opens all, drops all, and waits until all are live again.
pub async fn run(options: &Options, storm: &Storm) -> anyhow::Result<ExitCode> {
    let clients = people(options, usize::try_from(storm.clients)?).await?;
    many::groups(&clients, usize::try_from(storm.chats)?).await.context("the groups cannot be made")?;
    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    let histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3)?;
    let sea = Arc::new(Sea {
        http: http()?,
        gateways: options.gateways.clone(),
        encoding: options.encoding,
        give_up_at: Instant::now() + Duration::from_secs(storm.give_up_secs + 600),
        seen: Mutex::new(Seen {
            live_again: histogram.clone(),
            open_again: histogram,
            failures: BTreeMap::new(),
            answered: Answered::default(),
            ready_count: 0,
            back_count: 0,
        }),
    });
    let opened = many::open(options, &clients, clients.len(), OPENED_AT_ONCE).await?;
    ensure!(opened.sockets.len() == clients.len(), "sockets cannot be opened: {:?}", opened.failures);
    let mut drifters = JoinSet::new();
    let (drop_all, dropped) = watch::channel(());
    let per_gateway = many::of_gateway(clients.len(), options);
    for (number, (socket, client)) in opened.sockets.into_iter().zip(&clients).enumerate() {
        let token = client.access_token().await?;
        let drifter = Drifter { number, gateway: number / per_gateway, token, cursor: String::new() };
        drifters.spawn(drifter.live(Arc::clone(&sea), socket, dropped.clone()));
    }
    while sea.seen.lock().ready_count < storm.clients {
        ensure!(Instant::now() < sea.give_up_at, "not all clients became live");
        sleep(LOOK).await;
    }
    sleep(SETTLE).await;
    {
        let mut seen = sea.seen.lock();
        seen.failures.clear();
        seen.answered = Answered::default();
    }

    let (before, own_before, begun_at) = (watched.usage(), own_cpu_secs(), Instant::now());
    let expected = match storm.kill {
        None => {
            drop_all.send_replace(());
            storm.clients
        }
        Some(pid) => {
            let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
            ensure!(killed.success(), "the gateway cannot be killed");
            // Those of the first gateway, whose process it must be.
            u32::try_from(per_gateway.min(clients.len()))?
        }
    };
    let until = begun_at + Duration::from_secs(storm.give_up_secs);
    let peak = watch_memory(&watched, &sea, expected, until).await;
    let secs = begun_at.elapsed().as_secs_f64();
    let (after, own_cpu) = (watched.usage(), own_cpu_secs() - own_before);
    drifters.abort_all();

    let seen = sea.seen.lock();
    let mut out = std::io::stdout();
    writeln!(out, "{} clients with {} chats, {expected} lost their socket", storm.clients, storm.chats)?;
    writeln!(out, "live again {} in {secs:.1} s", seen.back_count)?;
    writeln!(out, "{}", Percentiles::heading("since the loss, ms"))?;
    writeln!(out, "{}", Percentiles::of(&seen.open_again).line("socket open"))?;
    writeln!(out, "{}", Percentiles::of(&seen.live_again).line("synced"))?;
    writeln!(out, "{}", seen.answered.line())?;
    for (why, times) in &seen.failures {
        writeln!(out, "failed, {why}: {times}")?;
    }
    for (name, cost) in costs(&before, &after, 0.0) {
        let mib = to_f64(peak.get(&name).copied().unwrap_or_default()) / f64::from(1_u32 << 20);
        writeln!(out, "{name}: {:.2} CPU s, at most {mib:.1} MiB PSS", cost.cpu_secs)?;
    }
    writeln!(out, "generator: {own_cpu:.2} CPU s")?;
    Ok(if seen.back_count >= expected { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn http() -> anyhow::Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    // A client that comes back has no connection any more.
    Ok(reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build()?)
}

/// The most memory of each kind of process until all are back.
async fn watch_memory(watched: &Watched, sea: &Sea, expected: u32, until: Instant) -> BTreeMap<String, u64> {
    let mut peak: BTreeMap<String, u64> = BTreeMap::new();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until && sea.seen.lock().back_count < expected {
        looks.tick().await;
        for (name, used) in watched.usage() {
            let most = peak.entry(name).or_default();
            *most = (*most).max(used.pss_bytes);
        }
    }
    peak
}

/// One client.
struct Drifter {
    number: usize,
    gateway: usize,
    token: String,
    cursor: String,
}

impl Drifter {
    /// Holds its socket until it is lost, then comes back once and stays.
    async fn live(mut self, sea: Arc<Sea>, mut socket: Socket, mut dropped: watch::Receiver<()>) {
        let Some(cursor) = self.catch_up(&sea).await else { return };
        self.cursor = cursor;
        sea.seen.lock().ready_count += 1;
        tokio::select! {
            _ = dropped.changed() => {}
            () = async { while socket.next().await.is_ok() {} } => {}
        }
        drop(socket);
        let lost_at = Instant::now();
        let Some(mut socket) = self.come_back(&sea, lost_at).await else { return };
        while socket.next().await.is_ok() {}
        *sea.seen.lock().failures.entry("lost again".to_owned()).or_default() += 1;
    }

    async fn come_back(&mut self, sea: &Sea, lost_at: Instant) -> Option<Socket> {
        let mut ceiling = FIRST_PAUSE;
        let mut at_least = Duration::ZERO;
        while Instant::now() < sea.give_up_at {
            let millis = u32::try_from(ceiling.as_millis()).unwrap_or(u32::MAX);
            sleep(at_least + Duration::from_millis(u64::from((&SystemEntropy as &dyn Entropy).below(millis)))).await;
            ceiling = (ceiling * 2).min(LONGEST_PAUSE);
            let gateway = sea.gateways.get(self.gateway % sea.gateways.len())?;
            match Socket::open_from(many::source(self.number), gateway, &self.token, sea.encoding).await {
                Ok(socket) => {
                    record(&mut sea.seen.lock().open_again, lost_at);
                    if self.catch_up(sea).await.is_some() {
                        let mut seen = sea.seen.lock();
                        record(&mut seen.live_again, lost_at);
                        seen.back_count += 1;
                        return Some(socket);
                    }
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    at_least = failure.retry_after.unwrap_or_default();
                    *sea.seen.lock().failures.entry(format!("socket {}", failure.name)).or_default() += 1;
                    self.gateway += 1;
                }
            }
        }
        None
    }

    /// One request is enough; more only while the server asks to come again.
    async fn catch_up(&self, sea: &Sea) -> Option<String> {
        let mut ceiling = FIRST_PAUSE;
        while Instant::now() < sea.give_up_at {
            match self.sync(sea).await {
                Ok(cursor) => return Some(cursor),
                Err(failure) => {
                    *sea.seen.lock().failures.entry(format!("sync {}", failure.name)).or_default() += 1;
                    let millis = u32::try_from(ceiling.as_millis()).unwrap_or(u32::MAX);
                    let jitter = Duration::from_millis(u64::from((&SystemEntropy as &dyn Entropy).below(millis)));
                    sleep(failure.retry_after.unwrap_or_default() + jitter).await;
                    ceiling = (ceiling * 2).min(LONGEST_PAUSE);
                }
            }
        }
        None
    }

    async fn sync(&self, sea: &Sea) -> Result<String, Failure> {
        let failed = |name: &str| Failure { name: name.to_owned(), retry_after: None };
        let gateway = sea.gateways.get(self.gateway % sea.gateways.len()).ok_or_else(|| failed("no gateway"))?;
        let url = gateway.join("sync").map_err(|_| failed("no address"))?;
        let request = SyncRequest { cursor: self.cursor.clone(), limit: SYNC_LIMIT, with_state: true };
        let asked = sea.http.post(url).bearer_auth(&self.token).json(&request).send();
        let answer = timeout_at(sea.give_up_at, asked).await.map_err(|_| failed("given up"))?;
        let answer = answer.map_err(|_| failed("no answer"))?;
        if answer.status() != StatusCode::OK {
            let pause = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let name = answer.status().as_u16().to_string();
            return Err(Failure { name, retry_after: pause.map(Duration::from_secs) });
        }
        let body = answer.bytes().await.map_err(|_| failed("not read"))?;
        let answer: SyncResponse = serde_json::from_slice(&body).map_err(|_| failed("not read"))?;
        sea.seen.lock().answered.add(&answer, body.len());
        if answer.has_more { Err(failed("more than one page")) } else { Ok(answer.next_cursor) }
    }
}

impl Answered {
    fn add(&mut self, answer: &SyncResponse, bytes: usize) {
        self.sync_count += 1;
        self.chat_count += answer.chats.len() as u64;
        self.update_count += answer.chats.iter().map(|chat| chat.updates.len() as u64).sum::<u64>();
        self.byte_count += bytes as u64;
    }

    /// The means of all answers.
    fn line(&self) -> String {
        let Self { sync_count, chat_count, update_count, byte_count } = *self;
        let mean = |count: u64| to_f64(count) / to_f64(sync_count.max(1));
        let (chats, updates, kib) = (mean(chat_count), mean(update_count), mean(byte_count) / 1_024.0);
        format!(
            "{sync_count} syncs were answered: {updates:.1} updates of {chats:.1} chats in {kib:.1} KiB each (mean)"
        )
    }
}

fn record(histogram: &mut Histogram<u64>, since: Instant) {
    histogram.saturating_record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
}
