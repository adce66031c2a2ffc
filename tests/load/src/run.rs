//! A run from accounts to report.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_client::Client;
use godwit_client::log::Position;
use godwit_contract::v1::Chat;
use godwit_kernel::{Entropy, SystemEntropy};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::accounts::{self, Couple, patiently};
use crate::flood::{Flood, FloodReport};
use crate::ledger::{Ledger, Totals};
use crate::options::{Encoding, Options};
use crate::pair::{End, Pace, Pair, Plan, Recorder, message_number};
use crate::report::{Cost, Load, Percentiles, Report, to_f64};
use crate::usage::{Usage, Watched, own_cpu_secs};

/// How many sockets are opened, and chats read, at once.
const CONCURRENCY: usize = 16;
const SYNC_PAGE: u32 = 1_000;
/// Between the opening of the sockets and the first message.
const SETTLE: Duration = Duration::from_millis(500);
/// Until a process has taken back what opening many sockets needed for a moment.
const IDLE_SETTLE: Duration = Duration::from_secs(5);

/// Makes the load, and prints what it found. The exit code tells whether the ledger is clean.
pub async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    let couples = accounts::prepare(options).await?;
    let (_idle, idle_socket_kib) = hold_idle(options, &couples, &watched).await?;
    let recorder = Arc::new(Mutex::new(Recorder::new()?));
    let run = run_name();
    let sockets = open(options, &couples).await?;
    tracing::info!(pairs = options.pairs, secs = options.total().as_secs(), "the load begins");

    let plan = plan(options);
    let mut running = JoinSet::new();
    for (number, ((sender, receiver), couple)) in sockets.into_iter().zip(&couples).enumerate() {
        let pair = Pair {
            run: run.clone(),
            chat_id: couple.chat.id.clone(),
            text_chars: usize::try_from(options.text_chars)?,
            sender,
            receiver,
            plan: Plan { pace: pace(options, number)?, ..plan },
            recorder: Arc::clone(&recorder),
        };
        running.spawn(async move { (number, pair.run().await) });
    }
    let flood = options.login_flood.map(|rate| Flood::begin(options, rate)).transpose()?;
    let measured = measure(&watched, plan).await;
    let flood = flood.map(|flood| flood.report());
    let mut ledgers: BTreeMap<usize, Ledger> = running.join_all().await.into_iter().collect();
    let sync_updates_per_sec = read_logs(&couples, &run, &mut ledgers).await?;

    let totals = ledgers.values().fold(Totals::default(), |sum, ledger| sum.plus(&ledger.totals()));
    let sides = Sides { sync_updates_per_sec, idle_socket_kib, flood };
    let report = report(options, &recorder.lock(), totals, &measured, sides);
    write!(std::io::stdout(), "{}", report.table())?;
    if let Some(path) = &options.json {
        let text = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
    }
    Ok(if totals.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Eight letters and digits that no other run has.
pub fn run_name() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Both ends of a pair, and their sockets.
pub type Ends = ((End, crate::wire::Socket), (End, crate::wire::Socket));

/// Opens the sockets of all pairs.
pub async fn open(options: &Options, couples: &[Couple]) -> anyhow::Result<Vec<Ends>> {
    let opening = couples.iter().enumerate().map(|(number, couple)| async move {
        let sender = end(options.sender_gateway(number)?, &couple.sender, options.encoding).await?;
        let receiver = end(options.receiver_gateway(number)?, &couple.receiver, options.encoding).await?;
        let sockets = (sender.open().await?, receiver.open().await?);
        anyhow::Ok(((sender, sockets.0), (receiver, sockets.1)))
    });
    let opened = stream::iter(opening).buffered(CONCURRENCY).try_collect().await;
    opened.context("the sockets cannot be opened")
}

async fn end(gateway: &url::Url, client: &Client, encoding: Encoding) -> anyhow::Result<End> {
    Ok(End { gateway: gateway.clone(), token: client.access_token().await?, encoding })
}

fn plan(options: &Options) -> Plan {
    let measure_from = Instant::now() + SETTLE + options.warmup();
    let send_until = measure_from + options.measured();
    Plan { measure_from, send_until, drain_until: send_until + options.drain(), pace: Pace::Closed(1) }
}

/// In an open loop the pairs take turns, so that the rate is even.
fn pace(options: &Options, number: usize) -> anyhow::Result<Pace> {
    let Some(rate) = options.rate else { return Ok(Pace::Closed(usize::try_from(options.outstanding)?)) };
    let gap = Duration::from_secs_f64(1.0 / rate);
    let first_at = Instant::now() + SETTLE + gap * u32::try_from(number)?;
    Ok(Pace::Open { first_at, interval: gap * options.pairs })
}

/// What the processes had used at the begin and at the end of the measured time.
struct Measured {
    before: BTreeMap<String, Usage>,
    after: BTreeMap<String, Usage>,
    generator_cpu_secs: f64,
}

async fn measure(watched: &Watched, plan: Plan) -> Measured {
    sleep_until(plan.measure_from).await;
    let (before, own_before) = (watched.usage(), own_cpu_secs());
    sleep_until(plan.send_until).await;
    Measured { after: watched.usage(), generator_cpu_secs: own_cpu_secs() - own_before, before }
}

/// Reads each chat's log and notes what stands in it; updates a second.
async fn read_logs(couples: &[Couple], run: &str, ledgers: &mut BTreeMap<usize, Ledger>) -> anyhow::Result<f64> {
    let begun_at = Instant::now();
    let mut reading = stream::iter(couples.iter().enumerate())
        .map(|(number, couple)| async move { (number, read_log(&couple.receiver, &couple.chat, run).await) })
        .buffer_unordered(CONCURRENCY);
    let mut update_count = 0;
    while let Some((number, read)) = reading.next().await {
        let (numbers, count) = read.context("a chat's log cannot be read")?;
        update_count += count;
        if let Some(ledger) = ledgers.get_mut(&number) {
            numbers.into_iter().for_each(|number| ledger.log(number));
        }
    }
    Ok(to_f64(update_count) / begun_at.elapsed().as_secs_f64())
}

/// The numbers of this run's messages in a chat's log after where it stood before the run, and how many updates.
async fn read_log(client: &Client, chat: &Chat, run: &str) -> anyhow::Result<(Vec<u32>, u64)> {
    let chat_id = chat.id.parse()?;
    let mut position = Position { seq: chat.seq, epoch: chat.epoch.clone() };
    let mut numbers = Vec::new();
    let mut count = 0;
    loop {
        let answer = patiently(async || client.sync_chat(chat_id, &position, SYNC_PAGE).await).await?;
        let page = answer.chat.context("an answer without its content")?;
        anyhow::ensure!(!page.reset, "the log was reset during the run");
        for update in &page.updates {
            anyhow::ensure!(update.seq == position.seq + 1, "a gap in the log of {} after {}", chat.id, position.seq);
            position.seq = update.seq;
            numbers.extend(message_number(update, run));
            count += 1;
        }
        if !page.has_more || page.updates.is_empty() {
            return Ok((numbers, count));
        }
    }
}

/// Opens sockets that only answer pings, and tells what one costs the counted processes.
async fn hold_idle(
    options: &Options,
    couples: &[Couple],
    watched: &Watched,
) -> anyhow::Result<(JoinSet<()>, Option<f64>)> {
    let mut held = JoinSet::new();
    if options.idle == 0 {
        return Ok((held, None));
    }
    let pss = || to_f64(watched.usage().values().map(|usage| usage.pss_bytes).sum());
    let before = pss();
    let clients: Vec<&Client> = couples.iter().flat_map(|couple| [&couple.sender, &couple.receiver]).collect();
    let numbers = 0..usize::try_from(options.idle)?;
    let mut opening = stream::iter(clients.iter().cycle().zip(numbers))
        .map(|(client, number)| async move {
            // Each person once a gateway, then again.
            let gateway = options.gateway(number / (2 * couples.len()))?;
            end(gateway, client, options.encoding).await?.open().await
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(socket) = opening.next().await {
        let mut socket = socket.context("an idle socket cannot be opened")?;
        held.spawn(async move { while socket.next().await.is_ok() {} });
    }
    sleep(IDLE_SETTLE).await;
    let kib = (pss() - before) / 1_024.0 / f64::from(options.idle);
    tracing::info!(count = options.idle, kib_each = kib, "idle sockets are open");
    Ok((held, Some(kib)))
}

/// What was found beside the messages.
struct Sides {
    sync_updates_per_sec: f64,
    idle_socket_kib: Option<f64>,
    flood: Option<FloodReport>,
}

fn report(options: &Options, recorder: &Recorder, ledger: Totals, measured: &Measured, sides: Sides) -> Report {
    let messages = to_f64(recorder.received_count);
    let none = Usage::default();
    let cost = |(name, after): (&String, &Usage)| {
        (name.clone(), Cost::between(measured.before.get(name).unwrap_or(&none), after, messages))
    };
    let processes: BTreeMap<String, Cost> = measured.after.iter().map(cost).collect();
    Report {
        load: Load {
            pairs: options.pairs,
            outstanding: options.rate.is_none().then_some(options.outstanding),
            rate: options.rate,
            secs: options.secs,
            text_chars: options.text_chars,
            encoding: format!("{:?}", options.encoding).to_lowercase(),
            gateways: options.gateways.iter().map(ToString::to_string).collect(),
        },
        messages_per_sec: messages / to_f64(options.secs),
        received_by_20_ms: recorder.received_by_span.clone(),
        send_to_receive_ms: Percentiles::of(&recorder.receive),
        send_to_ack_ms: Percentiles::of(&recorder.ack),
        ledger,
        refusals: recorder.refusals.clone(),
        disconnects: recorder.disconnect_count,
        sync_updates_per_sec: sides.sync_updates_per_sec,
        server: processes.values().fold(Cost::default(), |sum, cost| sum.plus(cost)),
        processes,
        generator_cpu_secs: measured.generator_cpu_secs,
        idle_socket_kib: sides.idle_socket_kib,
        login_flood: sides.flood,
    }
}
