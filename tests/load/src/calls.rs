//! Calls between the people of each pair: made, answered, ended, and made again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use godwit_client::{Client, Error};
use godwit_contract::call::v1::{CreateCallRequest, ListCallHistoryRequest};
use godwit_contract::v1::{CallMedia, CallState, server_frame};
use godwit_kernel::{CallId, SystemClock, SystemEntropy};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::accounts::{Couple, patiently, prepare};
use crate::crowd::costs;
use crate::options::{Calls, Options};
use crate::pair::End;
use crate::report::{Percentiles, to_f64};
use crate::run::open;
use crate::usage::{Watched, own_cpu_secs};
use crate::wire::Socket;

/// A step of a call that takes so long has failed.
const GIVE_UP: Duration = Duration::from_secs(10);
/// After a call that failed, and between tries to connect again.
const PAUSE: Duration = Duration::from_millis(200);
const SETTLE: Duration = Duration::from_millis(500);
/// Calls of one page of the history.
const PAGE: u32 = 100;

/// When what happens.
#[derive(Clone, Copy)]
struct Plan {
    /// Calls that begin from here on are measured,
    measure_from: Instant,
    /// until here, where no more begin.
    until: Instant,
    /// One call each interval, the first at this instant; `None` for one after the other.
    pace: Option<(Instant, Duration)>,
}

/// What all pairs have measured.
struct Tally {
    /// From when a call was asked for (or due) until that was answered, in microseconds.
    asked: Histogram<u64>,
    /// Likewise until the callee was told that it rings.
    rings: Histogram<u64>,
    /// From when it was answered by the callee until the caller was told.
    answered: Histogram<u64>,
    /// From when it was asked for until the caller was told of the answer: the two can connect.
    set_up: Histogram<u64>,
    /// From when it was ended by the caller until the callee was told.
    ended: Histogram<u64>,
    call_count: u64,
    failures: BTreeMap<String, u64>,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let histogram = Histogram::new_with_bounds(1, 120_000_000, 3)?;
        Ok(Self {
            asked: histogram.clone(),
            rings: histogram.clone(),
            answered: histogram.clone(),
            set_up: histogram.clone(),
            ended: histogram,
            call_count: 0,
            failures: BTreeMap::new(),
        })
    }
}

/// Lets all pairs make calls, and looks whether the history has each once.
pub async fn run(options: &Options, calls: &Calls) -> anyhow::Result<ExitCode> {
    let couples = prepare(options).await?;
    let ends = open(options, &couples).await?;
    let tally = Arc::new(Mutex::new(Tally::new()?));
    let begun_at = Instant::now() + SETTLE;
    let measure_from = begun_at + options.warmup();
    let until = measure_from + options.measured();
    let mut running = JoinSet::new();
    for (number, (couple, (caller, callee))) in couples.into_iter().zip(ends).enumerate() {
        let pace = pace(options, calls, begun_at, u32::try_from(number)?);
        let plan = Plan { measure_from, until, pace };
        let callee_id = couple.receiver.session().context("a callee is logged out")?.user_id;
        let pair = Pair { couple, callee_id, caller, callee, plan, tally: Arc::clone(&tally), made: BTreeSet::new() };
        running.spawn(pair.run());
    }
    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    sleep_until(measure_from).await;
    let (before, own_before) = (watched.usage(), own_cpu_secs());
    sleep_until(until).await;
    let (after, own_cpu) = (watched.usage(), own_cpu_secs() - own_before);

    let mut pairs = Vec::new();
    while let Some(pair) = running.join_next().await {
        pairs.push(pair?);
    }
    let made: usize = pairs.iter().map(|(_, made)| made.len()).sum();
    let missing = missing_from_history(options, &pairs).await?;
    let tally = tally.lock();
    let mut out = std::io::stdout();
    match calls.calls_per_sec {
        Some(rate) => writeln!(out, "{} pairs, {rate} calls/s offered (open loop)", pairs.len())?,
        None => writeln!(out, "{} pairs, each one call after the other (closed loop)", pairs.len())?,
    }
    writeln!(out, "calls/s {:.1}", to_f64(tally.call_count) / to_f64(options.secs))?;
    writeln!(out, "made {made}  not in the history, or twice {missing}")?;
    writeln!(out, "{}", Percentiles::heading("latency, ms"))?;
    for (name, histogram) in [
        ("asked -> answered", &tally.asked),
        ("asked -> rings", &tally.rings),
        ("accepted -> told", &tally.answered),
        ("asked -> set up", &tally.set_up),
        ("ended -> told", &tally.ended),
    ] {
        writeln!(out, "{}", Percentiles::of(histogram).line(name))?;
    }
    for (why, times) in &tally.failures {
        writeln!(out, "failed, {why}: {times}")?;
    }
    for (name, cost) in costs(&before, &after, to_f64(tally.call_count)) {
        writeln!(out, "{name}: {:.2} CPU s, {:.3} per 1000 calls", cost.cpu_secs, cost.cpu_secs_per_1000)?;
    }
    writeln!(out, "generator: {own_cpu:.2} CPU s")?;
    let is_clean = missing == 0 && tally.failures.is_empty() && tally.call_count > 0;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// In an open loop the pairs take turns, so that the rate is even.
fn pace(options: &Options, calls: &Calls, begun_at: Instant, number: u32) -> Option<(Instant, Duration)> {
    let gap = Duration::from_secs_f64(1.0 / calls.calls_per_sec?);
    Some((begun_at + gap * number, gap * options.pairs))
}

/// Two people, who are in one call at most.
struct Pair {
    couple: Couple,
    callee_id: String,
    caller: (End, Socket),
    callee: (End, Socket),
    plan: Plan,
    tally: Arc<Mutex<Tally>>,
    made: BTreeSet<String>,
}

/// How long the steps of one call took.
struct Steps {
    asked: Duration,
    rings: Duration,
    answered: Duration,
    set_up: Duration,
    ended: Duration,
}

impl Pair {
    /// Calls until the plan is over; the caller, and the calls that were made and ended.
    async fn run(mut self) -> (Client, BTreeSet<String>) {
        let mut due_at = self.plan.pace.map_or_else(Instant::now, |(first_at, _)| first_at);
        while due_at < self.plan.until {
            sleep_until(due_at).await;
            let id = CallId::generate(&SystemClock, &SystemEntropy);
            match self.call(id, due_at).await {
                Ok(steps) => {
                    self.made.insert(id.to_string());
                    self.note(due_at, &steps);
                }
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), "a call failed");
                    *self.tally.lock().failures.entry(name(&error)).or_default() += 1;
                    self.tidy_up(id).await;
                }
            }
            due_at = match self.plan.pace {
                Some((_, interval)) => due_at + interval,
                None => Instant::now(),
            };
        }
        self.caller.1.close().await;
        self.callee.1.close().await;
        (self.couple.sender, self.made)
    }

    /// One whole call: each step is done when who waits for it was told.
    async fn call(&mut self, id: CallId, due_at: Instant) -> anyhow::Result<Steps> {
        let request = CreateCallRequest {
            callee_id: self.callee_id.clone(),
            media: CallMedia::Voice.into(),
            call_id: id.to_string(),
        };
        let Couple { sender, receiver, .. } = &self.couple;
        let (caller, callee) = (&mut self.caller.1, &mut self.callee.1);
        let (asked, rings) = tokio::try_join!(
            timed(due_at, sender.create_call(&request)),
            told(callee, id, CallState::Ringing, due_at),
        )?;
        let accepted_at = Instant::now();
        let (_, answered) = tokio::try_join!(
            timed(accepted_at, receiver.accept_call(id)),
            told(caller, id, CallState::Accepted, accepted_at),
        )?;
        let set_up = due_at.elapsed();
        let ended_at = Instant::now();
        let (_, ended) =
            tokio::try_join!(timed(ended_at, sender.end_call(id)), told(callee, id, CallState::Ended, ended_at),)?;
        Ok(Steps { asked, rings, answered, set_up, ended })
    }

    fn note(&self, due_at: Instant, steps: &Steps) {
        if due_at < self.plan.measure_from || due_at >= self.plan.until {
            return;
        }
        let mut tally = self.tally.lock();
        tally.call_count += 1;
        let micros = |step: Duration| u64::try_from(step.as_micros()).unwrap_or(u64::MAX);
        tally.asked.saturating_record(micros(steps.asked));
        tally.rings.saturating_record(micros(steps.rings));
        tally.answered.saturating_record(micros(steps.answered));
        tally.set_up.saturating_record(micros(steps.set_up));
        tally.ended.saturating_record(micros(steps.ended));
    }

    /// Leaves neither in a call, nor on a socket that is broken.
    async fn tidy_up(&mut self, id: CallId) {
        sleep(PAUSE).await;
        // Whichever of the two is refused, the call is over then; if neither is answered, the next call fails too.
        if self.couple.sender.end_call(id).await.is_err() {
            drop(self.couple.sender.cancel_call(id).await);
        }
        for (end, socket) in [&mut self.caller, &mut self.callee] {
            while Instant::now() < self.plan.until {
                if let Ok(opened) = end.open().await {
                    *socket = opened;
                    break;
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// How long it takes from an instant until a request is answered.
async fn timed<T>(since: Instant, request: impl Future<Output = Result<T, Error>>) -> anyhow::Result<Duration> {
    timeout(GIVE_UP, request).await.context("no answer")??;
    Ok(since.elapsed())
}

/// How long it takes from an instant until a socket tells that a call is in a state.
async fn told(socket: &mut Socket, id: CallId, state: CallState, since: Instant) -> anyhow::Result<Duration> {
    let id = id.to_string();
    let told = timeout(GIVE_UP, async {
        loop {
            match socket.next().await?.frame {
                Some(server_frame::Frame::Call(call)) if call.id == id && call.state() == state => return Ok(()),
                Some(server_frame::Frame::Reconnect(_)) => bail!("asked to connect again"),
                _ => {}
            }
        }
    });
    told.await.with_context(|| format!("nobody was told: {}", state.as_str_name()))??;
    Ok(since.elapsed())
}

/// Why a call failed, in few words.
fn name(error: &anyhow::Error) -> String {
    let refused = error.downcast_ref::<Error>().and_then(|error| error.reason().map(str::to_owned));
    refused.unwrap_or_else(|| error.to_string())
}

/// How many calls the history does not have, or has twice. A call is in it a moment after it ended.
async fn missing_from_history(options: &Options, pairs: &[(Client, BTreeSet<String>)]) -> anyhow::Result<usize> {
    let give_up_at = Instant::now() + options.drain();
    let mut missing = 0;
    for (caller, made) in pairs {
        loop {
            let missing_here = missing_of(caller, made).await?;
            if missing_here == 0 || Instant::now() >= give_up_at {
                missing += missing_here;
                break;
            }
            sleep(PAUSE).await;
        }
    }
    Ok(missing)
}

async fn missing_of(caller: &Client, made: &BTreeSet<String>) -> anyhow::Result<usize> {
    let Some(first) = made.first() else { return Ok(0) };
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut request = ListCallHistoryRequest { limit: PAGE, ..ListCallHistoryRequest::default() };
    loop {
        let page = patiently(async || caller.list_call_history(&request).await).await?;
        // Ids are in the order of time, and the newest call comes first.
        let is_past = page.calls.iter().any(|call| call.id < *first);
        for call in page.calls {
            *found.entry(call.id).or_default() += 1;
        }
        if is_past || page.next_cursor.is_empty() {
            break;
        }
        request.cursor = page.next_cursor;
    }
    Ok(made.iter().filter(|id| found.get(*id) != Some(&1)).count())
}
