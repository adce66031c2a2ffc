//! One chat in which one person writes and many are online: how long until each has it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_client::Client;
use godwit_contract::chat::v1::{AddMembersRequest, CreateChannelRequest, CreateGroupRequest};
use godwit_contract::v1::{ClientFrame, SendMessageFrame, ServerFrame, client_frame, server_frame};
use godwit_kernel::ChatId;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::accounts::{patiently, people};
use crate::options::{Crowd, Options};
use crate::pair::message_number;
use crate::report::{Cost, Percentiles, to_f64};
use crate::run::run_name;
use crate::usage::{Watched, own_cpu_secs};
use crate::wire::Socket;

const CONCURRENCY: usize = 16;
/// Members that are added by one call.
const ADDED_AT_ONCE: usize = 200;
const SETTLE: Duration = Duration::from_secs(1);

/// What the online members have seen.
struct Seen {
    /// When each message was due, by its number.
    due_at: Vec<Instant>,
    delivered: Histogram<u64>,
    acked: Histogram<u64>,
    delivery_count: u64,
    disorder_count: u64,
}

/// Makes the chat, lets everybody listen, and writes.
pub async fn run(options: &Options, crowd: &Crowd) -> anyhow::Result<ExitCode> {
    let online = usize::try_from(crowd.online)?;
    let clients = people(options, online + 1).await?;
    let (writer, members) = clients.split_first().context("nobody writes")?;
    let chat_id = match crowd.chat {
        Some(chat_id) => chat_id,
        None => gather(crowd, writer, members).await?,
    };
    tracing::info!(chat = %chat_id, members = members.len(), "everybody is in");
    let run = run_name();
    let histogram = Histogram::new_with_bounds(1, 120_000_000, 3)?;
    let seen = Arc::new(Mutex::new(Seen {
        due_at: Vec::new(),
        delivered: histogram.clone(),
        acked: histogram,
        delivery_count: 0,
        disorder_count: 0,
    }));
    let until = Instant::now() + Duration::from_secs(120) + options.total();
    let mut listening = listen(options, members, &run, &seen, until).await?;
    sleep(SETTLE).await;

    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    let (before, own_before, begun_at) = (watched.usage(), own_cpu_secs(), Instant::now());
    let socket = Socket::open(options.gateway(0)?, &writer.access_token().await?, options.encoding).await?;
    let sent = write(options, crowd, Writing { socket, chat_id, run: &run, seen: &seen }).await?;
    let expected = u64::try_from(sent * members.len())?;
    let last_at = Instant::now() + options.drain();
    while seen.lock().delivery_count < expected && Instant::now() < last_at {
        sleep(Duration::from_millis(20)).await;
    }
    let secs = begun_at.elapsed().as_secs_f64();
    let after = watched.usage();
    listening.abort_all();
    let seen = seen.lock();
    let mut out = std::io::stdout();
    let kind = if crowd.channel { "channel" } else { "group" };
    writeln!(out, "{kind} of {} online, {} messages/s offered, {sent} sent", members.len(), crowd.messages_per_sec)?;
    writeln!(out, "chat {chat_id}")?;
    writeln!(out, "deliveries {} of {expected}  out of order {}", seen.delivery_count, seen.disorder_count)?;
    writeln!(out, "deliveries/s {:.0}", to_f64(seen.delivery_count) / secs)?;
    writeln!(out, "{}", Percentiles::heading("latency, ms"))?;
    for (name, histogram) in [("send -> ack", &seen.acked), ("send -> each member", &seen.delivered)] {
        writeln!(out, "{}", Percentiles::of(histogram).line(name))?;
    }
    for (name, cost) in costs(&before, &after, to_f64(u64::try_from(sent)?)) {
        writeln!(out, "{name}: {:.2} CPU s, {:.3} per 1000 messages", cost.cpu_secs, cost.cpu_secs_per_1000)?;
    }
    writeln!(out, "generator: {:.2} CPU s", own_cpu_secs() - own_before)?;
    let is_clean = seen.delivery_count == expected && seen.disorder_count == 0;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// What each of the processes used between two looks.
pub fn costs(
    before: &BTreeMap<String, crate::usage::Usage>,
    after: &BTreeMap<String, crate::usage::Usage>,
    messages: f64,
) -> Vec<(String, Cost)> {
    let cost = |(name, used): (&String, &crate::usage::Usage)| {
        let earlier = before.get(name).copied().unwrap_or_default();
        (name.clone(), Cost::between(&earlier, used, messages))
    };
    after.iter().map(cost).collect()
}

async fn gather(crowd: &Crowd, writer: &Client, members: &[Client]) -> anyhow::Result<ChatId> {
    let mut ids = Vec::with_capacity(members.len());
    for member in members {
        ids.push(member.session().context("a member is logged out")?.user_id);
    }
    if crowd.channel {
        let request = CreateChannelRequest {
            title: "Crowd".to_owned(),
            handle: format!("crowd_{}", run_name()),
            ..CreateChannelRequest::default()
        };
        let channel = writer.create_channel(&request).await?.chat.context("the server answered without a chat")?;
        let chat_id: ChatId = channel.id.parse()?;
        let subscribe =
            |member: Client| async move { patiently(async || member.subscribe(chat_id).await).await.map(drop) };
        stream::iter(members.to_vec()).map(subscribe).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        return Ok(chat_id);
    }
    let request = CreateGroupRequest { title: "Crowd".to_owned(), ..CreateGroupRequest::default() };
    let group = writer.create_group(&request).await?.chat.context("the server answered without a chat")?;
    let chat_id: ChatId = group.id.parse()?;
    for some in ids.chunks(ADDED_AT_ONCE) {
        let request = AddMembersRequest { user_ids: some.to_vec(), ..AddMembersRequest::default() };
        let added = patiently(async || writer.add_members(chat_id, &request).await).await?;
        anyhow::ensure!(added.refused.is_empty(), "members were refused: {:?}", added.refused);
    }
    Ok(chat_id)
}

async fn listen(
    options: &Options,
    members: &[Client],
    run: &str,
    seen: &Arc<Mutex<Seen>>,
    until: Instant,
) -> anyhow::Result<JoinSet<()>> {
    let opening = members.iter().enumerate().map(|(number, member)| async move {
        let token = member.access_token().await?;
        Socket::open(options.gateway(number)?, &token, options.encoding).await
    });
    let sockets: Vec<Socket> =
        stream::iter(opening).buffered(CONCURRENCY).try_collect().await.context("the sockets cannot be opened")?;
    let mut listening = JoinSet::new();
    for socket in sockets {
        listening.spawn(hear(socket, run.to_owned(), Arc::clone(seen), until));
    }
    Ok(listening)
}

async fn hear(mut socket: Socket, run: String, seen: Arc<Mutex<Seen>>, until: Instant) {
    let mut last = None;
    while let Ok(Ok(frame)) = timeout_at(until, socket.next()).await {
        let Some(number) = number_in(&frame, &run) else { continue };
        let mut seen = seen.lock();
        let Some(due_at) = seen.due_at.get(usize::try_from(number).unwrap_or(usize::MAX)).copied() else { continue };
        let micros = u64::try_from(due_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        seen.delivered.saturating_record(micros);
        seen.delivery_count += 1;
        seen.disorder_count += u64::from(last.is_some_and(|last| last >= number));
        last = Some(number);
    }
}

/// The number of this run's message in a frame.
pub fn number_in(frame: &ServerFrame, run: &str) -> Option<u32> {
    match &frame.frame {
        Some(server_frame::Frame::Update(update)) => message_number(update, run),
        _ => None,
    }
}

/// Writes over one socket as each message is due, and waits for their acknowledgements; how many were sent.
async fn write(options: &Options, crowd: &Crowd, mut writing: Writing<'_>) -> anyhow::Result<usize> {
    let interval = Duration::from_secs_f64(1.0 / crowd.messages_per_sec);
    let begun_at = Instant::now();
    let (mut number, mut acked) = (0_u32, 0_u32);
    let last_at = begun_at + options.measured() + options.drain();
    loop {
        let due_at = begun_at + interval * number;
        let is_over = due_at >= begun_at + options.measured();
        if is_over && acked == number {
            return Ok(usize::try_from(number)?);
        }
        tokio::select! {
            () = sleep_until(due_at), if !is_over => {
                writing.send(number, due_at).await?;
                number += 1;
            }
            frame = writing.socket.next() => acked += u32::from(writing.take(&frame?)?),
            () = sleep_until(last_at) => bail!("{} messages were not acknowledged", number - acked),
        }
    }
}

struct Writing<'a> {
    socket: Socket,
    chat_id: ChatId,
    run: &'a str,
    seen: &'a Mutex<Seen>,
}

impl Writing<'_> {
    async fn send(&mut self, number: u32, due_at: Instant) -> anyhow::Result<()> {
        self.seen.lock().due_at.push(due_at);
        let message = SendMessageFrame {
            chat_id: self.chat_id.to_string(),
            client_message_id: format!("{}-{number}", self.run),
            text: "Hello, everybody!".to_owned(),
            ..SendMessageFrame::default()
        };
        let frame = client_frame::Frame::SendMessage(message);
        self.socket.queue(ClientFrame { id: number.to_string(), frame: Some(frame) }).await?;
        self.socket.flush().await
    }

    /// Whether the frame acknowledges a message.
    fn take(&self, frame: &ServerFrame) -> anyhow::Result<bool> {
        match &frame.frame {
            Some(server_frame::Frame::Ack(_)) => {
                let mut seen = self.seen.lock();
                let due_at = seen.due_at.get(frame.id.parse::<usize>()?).copied().context("a strange answer")?;
                let micros = u64::try_from(due_at.elapsed().as_micros()).unwrap_or(u64::MAX);
                seen.acked.saturating_record(micros);
                Ok(true)
            }
            Some(server_frame::Frame::Error(error)) => bail!("refused: {} {}", error.reason, error.detail),
            _ => Ok(false),
        }
    }
}
