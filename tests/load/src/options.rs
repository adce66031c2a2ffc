use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use godwit_kernel::ChatId;
use url::Url;

/// Pairs of people write to each other as fast as the server lets them, or at a given rate. A ledger of the generator
/// knows what became of every message.
#[derive(Parser, Debug)]
#[command(name = "godwit-load", version)]
pub struct Options {
    /// Base URL of a gateway. Given more than once, sender and receiver of a pair are on different ones.
    #[arg(long = "gateway", value_name = "URL", required = true)]
    pub gateways: Vec<Url>,

    /// How many pairs of sender and receiver, each with a direct chat of their own.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub pairs: u32,

    /// Closed loop: how many messages a sender has under way, that is, not yet acknowledged and received.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub outstanding: u32,

    /// Open loop: how many messages a second all senders offer together, whether the server keeps up or not. Latency
    /// counts from when a message was due, so a server that stalls cannot hide it.
    #[arg(long, value_name = "MESSAGES_PER_SEC")]
    pub rate: Option<f64>,

    /// How many logins of unknown people are offered a second meanwhile, each from an address of its own
    /// (X-Forwarded-For, for a gateway with GODWIT_GATEWAY_TRUSTED_PROXIES=1).
    #[arg(long, value_name = "LOGINS_PER_SEC")]
    pub login_flood: Option<f64>,

    /// How long to measure, in seconds. An access token must outlive the run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub secs: u64,

    /// How long to run before measuring, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=60))]
    pub warmup_secs: u64,

    /// How long to wait for what is under way at the end, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub drain_secs: u64,

    /// Length of a message's text.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub text_chars: u32,

    /// How frames are written.
    #[arg(long, value_enum, default_value_t = Encoding::Binary)]
    pub encoding: Encoding,

    /// Threads of the generator.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,

    /// File that keeps the accounts from run to run; made when it is absent. It holds passwords and tokens.
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,

    /// Folder in which the server's mails arrive, one JSON file each; needed to register.
    #[arg(long, value_name = "DIR")]
    pub mail_dir: Option<PathBuf>,

    /// A process whose CPU and memory are counted, with its descendants. May be given more than once.
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,

    /// All processes of this name, as /proc/PID/comm has it, are counted. May be given more than once.
    #[arg(long = "pid-name", value_name = "NAME")]
    pub pid_names: Vec<String>,

    /// Sockets that are only held open, to see what an idle connection costs the counted processes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub idle: u32,

    /// Writes the result there, too, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// What else than pairs makes the load.
    #[command(subcommand)]
    pub scenario: Option<Scenario>,

    /// Allows gateways that are not on this machine. Only for servers that are yours.
    #[arg(long)]
    pub allow_remote: bool,
}

/// What else than pairs makes the load.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// One chat in which one person writes at a rate, and many are online.
    Crowd(Crowd),
    /// One person who was away, and catches up by `POST /sync`.
    CatchUp(CatchUp),
    /// One person who opens the app: the list of chats and a page of history, again and again.
    Reads(Reads),
    /// Search in chats that hold much, and how soon what was sent is found.
    Search(Search),
    /// Sockets that are only held open: what one costs, and how fast they open.
    Idle(Idle),
    /// One event to many sockets of one gateway: how long until the last has it.
    FanOut(FanOut),
    /// Many clients that lose their sockets at once and come back.
    Storm(Storm),
    /// The two of each pair call each other, answer and end, again and again.
    Calls(Calls),
}

/// Calls between the two of each pair.
#[derive(Args, Clone, Debug)]
pub struct Calls {
    /// Open loop: how many calls a second all pairs offer together. Without it each pair makes one after the other.
    #[arg(long, value_name = "CALLS_PER_SEC")]
    pub calls_per_sec: Option<f64>,
}

/// Sockets that are only held open.
#[derive(Args, Clone, Debug)]
pub struct Idle {
    /// How many.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sockets: u32,
    /// How many of them are of one person; a gateway's GODWIT_GATEWAY_SOCKETS_PER_USER must allow it.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub each: u32,
    /// How many are opened at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub at_once: u32,
    /// How long to watch them, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub watch_secs: u64,
}

/// One event to many sockets.
#[derive(Args, Clone, Debug)]
pub struct FanOut {
    /// How many sockets hear it.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sockets: u32,
    /// How many of them are of one person.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub each: u32,
    /// How many events, one after the other.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub events: u32,
    /// The metrics of the gateway, such as `http://127.0.0.1:9464/metrics`, to count how often an event is made JSON.
    #[arg(long, value_name = "URL")]
    pub metrics: Option<Url>,
}

/// Many clients that come back at once.
#[derive(Args, Clone, Debug)]
pub struct Storm {
    /// How many clients, each of a person of its own.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// In how many groups each is.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub chats: u32,
    /// Instead of dropping all sockets: the process of a gateway that is killed with SIGKILL. Clients go on to the next.
    #[arg(long, value_name = "PID")]
    pub kill: Option<u32>,
    /// How long they may take, in seconds.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub give_up_secs: u64,
}

/// One chat in which one person writes at a rate.
#[derive(Args, Clone, Debug)]
pub struct Crowd {
    /// How many members are online, without who writes.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub online: u32,
    /// Messages a second.
    #[arg(long, default_value_t = 50.0)]
    pub messages_per_sec: f64,
    /// A channel instead of a group.
    #[arg(long)]
    pub channel: bool,
    /// The chat of an earlier run, whose members are the same people.
    #[arg(long, value_name = "CHAT_ID")]
    pub chat: Option<ChatId>,
}

/// One person who was away.
#[derive(Args, Clone, Debug)]
pub struct CatchUp {
    /// In so many groups something was written.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub chats: u32,
    /// So many messages in each.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub messages_each: u32,
}

/// One person who opens the app.
#[derive(Args, Clone, Debug)]
pub struct Reads {
    /// How often each call is made.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub calls: u32,
}

/// Search in chats that hold much.
#[derive(Args, Clone, Debug)]
pub struct Search {
    /// Makes the chats and measures nothing.
    #[arg(long)]
    pub prepare: bool,
    /// In how many chats the busiest member is; the others are in 5 and 50 of them.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=1_000))]
    pub chats: u32,
    /// How often each question is asked.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub calls: u32,
    /// How many messages are sent to see how soon they are found.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub sends: u32,
    /// A word that few messages have.
    #[arg(long, default_value = "needle ")]
    pub rare: String,
    /// A word that many messages have.
    #[arg(long, default_value = "common ")]
    pub common: String,
    /// Two words that messages have together.
    #[arg(long, default_value = "common usual ")]
    pub two: String,
    /// The beginning of a word.
    #[arg(long, default_value = "usu")]
    pub typed: String,
}

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// `godwit.v1.proto`.
    Binary,
    /// `godwit.v1.json`.
    Json,
}

impl Options {
    /// The options, if they make sense together.
    pub fn checked(self) -> anyhow::Result<Self> {
        for (option, rate) in [("--rate", self.rate), ("--login-flood", self.login_flood)] {
            let is_fine = rate.is_none_or(|rate| rate.is_finite() && rate > 0.0 && rate <= 1_000_000.0);
            ensure!(is_fine, "{option} is more than 0 and at most 1000000");
        }
        if let Some(Scenario::Crowd(crowd)) = &self.scenario {
            let rate = crowd.messages_per_sec;
            ensure!(
                rate.is_finite() && rate > 0.0 && rate <= 10_000.0,
                "--messages-per-sec is more than 0 and at most 10000"
            );
        }
        if let Some(Scenario::Calls(Calls { calls_per_sec: Some(rate) })) = &self.scenario {
            let is_fine = rate.is_finite() && *rate > 0.0 && *rate <= 10_000.0;
            ensure!(is_fine, "--calls-per-sec is more than 0 and at most 10000");
        }
        ensure!((1..=64).contains(&self.threads), "--threads is 1 to 64");
        for gateway in &self.gateways {
            ensure!(matches!(gateway.scheme(), "http" | "https"), "--gateway {gateway}: not an http or https address");
            let addresses = addresses(gateway).with_context(|| format!("--gateway {gateway}"))?;
            let is_here = addresses.iter().all(IpAddr::is_loopback);
            ensure!(is_here || self.allow_remote, "--gateway {gateway} is not on this machine; see --allow-remote");
        }
        Ok(self)
    }

    /// Before measuring.
    pub const fn warmup(&self) -> Duration {
        Duration::from_secs(self.warmup_secs)
    }

    /// While measuring.
    pub const fn measured(&self) -> Duration {
        Duration::from_secs(self.secs)
    }

    /// After the last message is sent.
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }

    /// The whole run.
    pub fn total(&self) -> Duration {
        self.warmup() + self.measured() + self.drain()
    }

    /// Where a pair's sender connects.
    pub fn sender_gateway(&self, pair: usize) -> anyhow::Result<&Url> {
        self.gateway(2 * pair)
    }

    /// Where a pair's receiver connects: another one than the sender, if there is one.
    pub fn receiver_gateway(&self, pair: usize) -> anyhow::Result<&Url> {
        self.gateway(2 * pair + 1)
    }

    /// The gateways in turn.
    pub fn gateway(&self, index: usize) -> anyhow::Result<&Url> {
        self.gateways.get(index % self.gateways.len().max(1)).context("--gateway is not given")
    }
}

fn addresses(url: &Url) -> anyhow::Result<Vec<IpAddr>> {
    let host = url.host_str().context("no host")?;
    let port = url.port_or_known_default().context("no port")?;
    let found = (host.trim_matches(['[', ']']), port).to_socket_addrs()?;
    Ok(found.map(|address: SocketAddr| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> anyhow::Result<Options> {
        Options::try_parse_from(arguments.split_whitespace())?.checked()
    }

    #[test]
    fn servers_elsewhere_need_a_word() {
        assert!(parse("load --gateway http://127.0.0.1:8080 --gateway http://[::1]:8080").is_ok());
        assert!(parse("load --gateway http://192.0.2.7:8080").is_err());
        assert!(parse("load --gateway http://192.0.2.7:8080 --allow-remote").is_ok());
        assert!(parse("load --gateway ftp://127.0.0.1").is_err());
    }

    #[test]
    fn a_pair_is_split_over_two_gateways() {
        let options = parse("load --gateway http://127.0.0.1:1 --gateway http://127.0.0.1:2").unwrap();
        for pair in 0..4 {
            assert_ne!(options.sender_gateway(pair).unwrap(), options.receiver_gateway(pair).unwrap());
        }
        let options = parse("load --gateway http://127.0.0.1:1").unwrap();
        assert_eq!(options.sender_gateway(3).unwrap(), options.receiver_gateway(3).unwrap());
    }

    #[test]
    fn a_run_is_bounded() {
        for option in [
            "--secs 601",
            "--pairs 5001",
            "--outstanding 0",
            "--rate 0",
            "--rate nan",
            "--login-flood 0",
            "--threads 0",
            "calls --calls-per-sec 0",
        ] {
            assert!(parse(&format!("load --gateway http://127.0.0.1:1 {option}")).is_err(), "{option}");
        }
    }
}
