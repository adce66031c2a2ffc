//! Pairs of people write to each other over XMPP, as `godwit-load` has them write to each other through Godwit: as fast as the server lets
//! them, or at a given rate. Every message that was sent is named in a file, for a comparison with the archive.
//!
//! Standard library only: `rustc -O --edition 2024 pairs.rs`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: pairs --address IP:PORT --domain NAME --password TEXT [OPTIONS]
  --pairs N         people who send, and as many who receive: send0, receive0, send1, … (16)
  --outstanding N   messages of each pair under way (4)
  --rate N          messages offered a second by all pairs together, however many are under way then
  --warm-up N       seconds before the measured time (3)
  --secs N          measured time in seconds (14)
  --chars N         length of a text (64)
  --count NAME=PID  whose CPU to count, with its descendants; may be repeated
  --sent FILE       where the messages are named: sender, receiver and text of each, with tabs between";

/// What is under way when sending ends is waited for so long.
const DRAIN: Duration = Duration::from_secs(10);
/// How often a receiver looks at its clock when nothing comes.
const TICK: Duration = Duration::from_millis(100);
/// Until a login must be done.
const LOGIN: Duration = Duration::from_secs(20);
/// A tick of /proc/PID/stat (`USER_HZ`), on every Linux that is not an Alpha or an Itanium.
const CPU_TICKS_PER_SEC: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Clone)]
struct Options {
    address: SocketAddr,
    domain: String,
    password: String,
    pairs: u32,
    outstanding: u64,
    rate: Option<f64>,
    warm_up: Duration,
    measured: Duration,
    text_chars: usize,
    counted: Vec<(String, u32)>,
    sent_file: Option<String>,
}

/// When what happens.
#[derive(Clone, Copy)]
struct Plan {
    begin: Instant,
    measure_from: Instant,
    send_until: Instant,
    pace: Pace,
}

/// How the messages of a pair are paced.
#[derive(Clone, Copy)]
enum Pace {
    /// So many under way.
    Closed(u64),
    /// One each interval, the first so long after the begin.
    Open { first: Duration, interval: Duration },
}

/// A person who is online.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The sending end of a pair.
struct Sender {
    stream: TcpStream,
    pair: u32,
    receiver: String,
    text_chars: usize,
    buffer: String,
}

/// What a pair found out.
#[derive(Default)]
struct Findings {
    sent: u64,
    /// Arrivals within the measured time.
    arrived_in_time: u64,
    /// How often each message arrived, by number.
    arrivals: Vec<u32>,
    /// Of the messages that were due within the measured time, from then on.
    micros: Vec<u64>,
    out_of_order: u64,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("pairs: {error}\n{USAGE}");
        std::process::exit(1);
    }
}

fn run() -> Outcome<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut ends = Vec::new();
    for pair in 0..options.pairs {
        let sender = Connection::log_in(&options, &format!("send{pair}"))?;
        ends.push((sender, Connection::log_in(&options, &format!("receive{pair}"))?));
    }

    let begin = Instant::now();
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut running, mut watching) = (Vec::new(), Vec::new());
    for (pair, (sender, receiver)) in (0..).zip(ends) {
        let plan = Plan::new(&options, begin, pair);
        let sender_reads = Connection { stream: sender.stream.try_clone()?, received: sender.received };
        let over = Arc::clone(&is_over);
        watching.push(thread::spawn(move || watch(sender_reads, &over)));
        let sender = Sender::new(sender.stream, pair, &options);
        running.push(thread::spawn(move || pair_up(sender, receiver, plan)));
    }

    let plan = Plan::new(&options, begin, 0);
    sleep(plan.measure_from.saturating_duration_since(Instant::now()));
    let cpu_before = cpu_secs(&options)?;
    sleep(plan.send_until.saturating_duration_since(Instant::now()));
    let cpu_after = cpu_secs(&options)?;

    let findings = running.into_iter().map(join).collect::<Outcome<Vec<_>>>()?;
    is_over.store(true, Ordering::Relaxed);
    let refusals = watching.into_iter().map(join).sum::<Outcome<u64>>()?;
    if let Some(file) = &options.sent_file {
        fs::write(file, name_all(&options, &findings))?;
    }
    report(&options, &findings, refusals, &cpu_before, &cpu_after)
}

fn join<T>(thread: JoinHandle<Outcome<T>>) -> Outcome<T> {
    thread.join().map_err(|_| "a thread panicked")?
}

// --- one pair ---------------------------------------------------------------------------------------------------------

/// Sends and receives to the end of the plan.
fn pair_up(mut sender: Sender, receiver: Connection, plan: Plan) -> Outcome<Findings> {
    let sent = Arc::new(AtomicU64::new(0));
    match plan.pace {
        Pace::Closed(_) => receive(receiver, plan, &sent, Some(sender)),
        Pace::Open { .. } => {
            let count = Arc::clone(&sent);
            let sending = thread::spawn(move || send_when_due(&mut sender, plan, &count));
            let findings = receive(receiver, plan, &sent, None)?;
            join(sending)?;
            Ok(findings)
        }
    }
}

/// Open loop: sends each message when it is due, whatever has arrived.
fn send_when_due(sender: &mut Sender, plan: Plan, sent: &AtomicU64) -> Outcome<()> {
    loop {
        let number = sent.load(Ordering::Acquire);
        let due_at = plan.due_at(number);
        sleep(due_at.saturating_duration_since(Instant::now()));
        if Instant::now().max(due_at) >= plan.send_until {
            return Ok(());
        }
        // Counted first: it may arrive before the write returns.
        sent.store(number + 1, Ordering::Release);
        sender.queue(number);
        sender.flush()?;
    }
}

/// Receives until the plan ends and everything is here. In a closed loop, with `sender`, an arrival makes room for the next message.
fn receive(mut receiver: Connection, plan: Plan, sent: &AtomicU64, mut sender: Option<Sender>) -> Outcome<Findings> {
    receiver.stream.set_read_timeout(Some(TICK))?;
    let mut findings = Findings::default();
    // When each message of a closed loop was sent, by number.
    let mut sent_at: Vec<Instant> = Vec::new();
    let mut newest = None;
    let mut arrived: u64 = 0;
    loop {
        let now = Instant::now();
        if let (Some(sender), Pace::Closed(outstanding)) = (&mut sender, plan.pace) {
            while now < plan.send_until && (sent_at.len() as u64) < arrived + outstanding {
                sender.queue(sent_at.len() as u64);
                sent_at.push(now);
            }
            sender.flush()?;
            sent.store(sent_at.len() as u64, Ordering::Release);
        }
        findings.sent = sent.load(Ordering::Acquire);
        if (now >= plan.send_until + TICK && arrived >= findings.sent) || now >= plan.send_until + DRAIN {
            return Ok(findings);
        }

        for number in receiver.messages()? {
            let now = Instant::now();
            let due_at = sent_at.get(number as usize).copied().unwrap_or_else(|| plan.due_at(number));
            if findings.count(number) == 1 {
                arrived += 1;
                findings.out_of_order += u64::from(newest > Some(number));
                newest = newest.max(Some(number));
                findings.arrived_in_time += u64::from(plan.is_measured(now));
                if plan.is_measured(due_at) {
                    findings.micros.push((now - due_at).as_micros() as u64);
                }
            }
        }
    }
}

/// Counts what comes back to a sender: a server that refuses a message answers with an error.
fn watch(mut sender: Connection, is_over: &AtomicBool) -> Outcome<u64> {
    sender.stream.set_read_timeout(Some(TICK))?;
    let mut errors = 0;
    while !is_over.load(Ordering::Relaxed) {
        sender.fill()?;
        while let Some((_, end)) = find_element(&sender.received, b"<message ", b"</message>") {
            errors += u64::from(contains(&sender.received[..end], b"type='error'"));
            sender.received.drain(..end);
        }
    }
    Ok(errors)
}

impl Plan {
    fn new(options: &Options, begin: Instant, pair: u32) -> Self {
        let measure_from = begin + options.warm_up;
        let pace = match options.rate {
            None => Pace::Closed(options.outstanding),
            Some(rate) => {
                let interval = Duration::from_secs_f64(f64::from(options.pairs) / rate);
                Pace::Open { first: interval * pair / options.pairs, interval }
            }
        };
        Self { begin, measure_from, send_until: measure_from + options.measured, pace }
    }

    /// When a message of an open loop is due.
    fn due_at(&self, number: u64) -> Instant {
        match self.pace {
            Pace::Closed(_) => self.begin,
            Pace::Open { first, interval } => self.begin + first + interval.mul_f64(number as f64),
        }
    }

    fn is_measured(&self, at: Instant) -> bool {
        self.measure_from <= at && at < self.send_until
    }
}

impl Sender {
    fn new(stream: TcpStream, pair: u32, options: &Options) -> Self {
        let receiver = format!("receive{pair}@{}", options.domain);
        Self { stream, pair, receiver, text_chars: options.text_chars, buffer: String::new() }
    }

    fn queue(&mut self, number: u64) {
        let text = text(self.pair, number, self.text_chars);
        // Writing to a string cannot fail.
        let _ = write!(
            self.buffer,
            "<message to='{}' type='chat' id='{number}'><body>{text}</body></message>",
            self.receiver
        );
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }
}

impl Findings {
    /// How often this message has arrived by now.
    fn count(&mut self, number: u64) -> u32 {
        let index = number as usize;
        if self.arrivals.len() <= index {
            self.arrivals.resize(index + 1, 0);
        }
        self.arrivals[index] += 1;
        self.arrivals[index]
    }
}

/// `PAIR-NUMBER xxx…`, so long.
fn text(pair: u32, number: u64, chars: usize) -> String {
    let mut text = format!("{pair}-{number} ");
    text.extend(std::iter::repeat_n('x', chars.saturating_sub(text.len())));
    text
}

// --- XMPP -------------------------------------------------------------------------------------------------------------

impl Connection {
    /// RFC 6120 from the stream to the bound resource, and RFC 6121 from the session to the presence.
    fn log_in(options: &Options, name: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(options.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOGIN))?;
        let mut connection = Self { stream, received: Vec::new() };
        let open = format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
            options.domain
        );
        connection.ask(&open, "</stream:features>")?;
        let credentials = base64(format!("\0{name}\0{}", options.password).as_bytes());
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>");
        connection.ask(&auth, "<success")?;
        connection.ask(&open, "</stream:features>")?;
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                    <resource>load</resource></bind></iq>";
        connection.ask(bind, "</jid>")?;
        let session = "<iq type='set' id='opened'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>";
        connection.ask(session, "id='opened'")?;
        // One's own presence comes back.
        connection.ask("<presence/>", "<presence")?;
        Ok(connection)
    }

    /// Writes, and reads until the answer has this in it.
    fn ask(&mut self, question: &str, answer: &str) -> Outcome<()> {
        self.received.clear();
        self.stream.write_all(question.as_bytes())?;
        while !contains(&self.received, answer.as_bytes()) {
            if self.fill()? == 0 || contains(&self.received, b"<failure") {
                let received = String::from_utf8_lossy(&self.received);
                return Err(format!("asked {question}, no {answer} in the answer: {received}").into());
            }
        }
        Ok(())
    }

    /// Reads what there is; 0 when nothing came in time.
    fn fill(&mut self) -> Outcome<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        self.received.extend_from_slice(&chunk[..count]);
        if contains(&self.received, b"<stream:error") {
            return Err(String::from_utf8_lossy(&self.received).into());
        }
        Ok(count)
    }

    /// The numbers of the complete messages that came.
    fn messages(&mut self) -> Outcome<Vec<u64>> {
        self.fill()?;
        let mut numbers = Vec::new();
        let mut read = 0;
        while let Some((begin, end)) = find_element(&self.received[read..], b"<message ", b"</message>") {
            numbers.extend(number_of(&self.received[read + begin..read + end]));
            read += end;
        }
        self.received.drain(..read);
        Ok(numbers)
    }
}

/// The number in `<body>PAIR-NUMBER xxx</body>`.
fn number_of(message: &[u8]) -> Option<u64> {
    let message = std::str::from_utf8(message).ok()?;
    let body = message.split_once("<body>")?.1;
    body.split_once(' ')?.0.split_once('-')?.1.parse().ok()
}

/// Where the first element that begins and ends so is.
fn find_element(bytes: &[u8], begin: &[u8], end: &[u8]) -> Option<(usize, usize)> {
    let from = find(bytes, begin)?;
    let length = find(&bytes[from..], end)?;
    Some((from, from + length + end.len()))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    find(bytes, part).is_some()
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(three.get(at).copied().unwrap_or_default()));
        for digit in 0..4 {
            let is_there = digit <= three.len();
            out.push(if is_there { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    out
}

// --- what is found out ------------------------------------------------------------------------------------------------

/// CPU time of each counted process and its descendants, in seconds, with that of children that have ended.
fn cpu_secs(options: &Options) -> Outcome<Vec<f64>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended meanwhile is counted with its parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // proc(5): after the name come state, parent, …, and as 12th to 15th utime, stime, cutime and cstime.
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let parent: u32 = fields.get(1).and_then(|field| field.parse().ok()).unwrap_or_default();
        let ticks: u64 = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        processes.push((pid, parent, ticks));
    }
    let mut all = Vec::new();
    for (name, root) in &options.counted {
        if !processes.iter().any(|(pid, ..)| pid == root) {
            return Err(format!("{name} does not run").into());
        }
        let mut family = vec![*root];
        let mut index = 0;
        while let Some(one) = family.get(index).copied() {
            family.extend(processes.iter().filter(|(_, parent, _)| *parent == one).map(|(pid, ..)| *pid));
            index += 1;
        }
        let ticks: u64 = processes.iter().filter(|(pid, ..)| family.contains(pid)).map(|(.., ticks)| ticks).sum();
        all.push(ticks as f64 / CPU_TICKS_PER_SEC);
    }
    Ok(all)
}

fn name_all(options: &Options, findings: &[Findings]) -> String {
    let mut lines = String::new();
    for (pair, found) in (0..).zip(findings) {
        for number in 0..found.sent {
            let _ = writeln!(lines, "send{pair}\treceive{pair}\t{}", text(pair, number, options.text_chars));
        }
    }
    lines
}

fn report(
    options: &Options,
    findings: &[Findings],
    refusals: u64,
    cpu_before: &[f64],
    cpu_after: &[f64],
) -> Outcome<()> {
    let sum = |of: fn(&Findings) -> u64| findings.iter().map(of).sum::<u64>();
    let mut micros: Vec<u64> = findings.iter().flat_map(|found| &found.micros).copied().collect();
    micros.sort_unstable();
    let ms = |share: f64| {
        let index = (micros.len() as f64 * share) as usize;
        micros.get(index).or(micros.last()).map_or(f64::NAN, |micros| *micros as f64 / 1000.0)
    };
    let arrived = sum(|found| found.arrived_in_time);
    let load = match options.rate {
        Some(rate) => format!("{rate} messages/s offered"),
        None => format!("{} messages of each under way", options.outstanding),
    };
    println!("{} pairs, {load}, {} characters", options.pairs, options.text_chars);
    println!("messages/s {:.0}", arrived as f64 / options.measured.as_secs_f64());
    println!(
        "send to receive, ms: p50 {:.1}  p95 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
        ms(0.5),
        ms(0.95),
        ms(0.99),
        ms(0.999),
        ms(1.0)
    );
    for (((name, _), before), after) in options.counted.iter().zip(cpu_before).zip(cpu_after) {
        let secs = after - before;
        let each = secs * 1000.0 / arrived as f64;
        println!("CPU s of {name}: {secs:.2}, {each:.3} per 1,000 messages");
    }
    println!(
        "sent {}  not arrived {}  arrived twice {}  out of order {}  refused {refusals}",
        sum(|found| found.sent),
        sum(|found| found.sent - found.arrivals.iter().filter(|count| **count > 0).count() as u64),
        sum(|found| found.arrivals.iter().filter(|count| **count > 1).count() as u64),
        sum(|found| found.out_of_order),
    );
    if arrived == 0 { Err("nothing arrived".into()) } else { Ok(()) }
}

// --- options ----------------------------------------------------------------------------------------------------------

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 5222)),
            domain: "localhost".to_owned(),
            password: String::new(),
            pairs: 16,
            outstanding: 4,
            rate: None,
            warm_up: Duration::from_secs(3),
            measured: Duration::from_secs(14),
            text_chars: 64,
            counted: Vec::new(),
            sent_file: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--address" => options.address = value.parse()?,
                "--domain" => options.domain = value,
                "--password" => options.password = value,
                "--pairs" => options.pairs = value.parse()?,
                "--outstanding" => options.outstanding = value.parse()?,
                "--rate" => options.rate = Some(value.parse()?),
                "--warm-up" => options.warm_up = Duration::from_secs(value.parse()?),
                "--secs" => options.measured = Duration::from_secs(value.parse()?),
                "--chars" => options.text_chars = value.parse()?,
                "--count" => {
                    let (name, pid) = value.split_once('=').ok_or("--count needs NAME=PID")?;
                    options.counted.push((name.to_owned(), pid.parse()?));
                }
                "--sent" => options.sent_file = Some(value),
                _ => return Err(format!("there is no option {word}").into()),
            }
        }
        if options.pairs == 0 || options.outstanding == 0 || options.rate.is_some_and(|rate| rate <= 0.0) {
            return Err("--pairs, --outstanding and --rate must be more than 0".into());
        }
        Ok(options)
    }
}
