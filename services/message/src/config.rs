use std::time::Duration;

use godwit_outbound::Reach;

use crate::app::AppenderOptions;
use crate::domain::CURSOR_AGE_MAX;

/// A batch with this many bytes takes no more messages.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Of messages that wait.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The options of the message service.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// How many batches of messages are committed side by side. One is best on few processors: its batches are
    /// larger; more help when the database's disk is slow to confirm.
    #[arg(
        long = "message-appenders",
        env = "GODWIT_MESSAGE_APPENDERS",
        value_name = "GODWIT_MESSAGE_APPENDERS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub appenders: u16,

    /// The most messages that are committed at once.
    #[arg(
        long = "message-batch-max",
        env = "GODWIT_MESSAGE_BATCH_MAX",
        value_name = "GODWIT_MESSAGE_BATCH_MAX",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(1..=5_000)
    )]
    pub batch_max: u16,

    /// The most messages that wait for one appender; the next sender is told to try again.
    #[arg(
        long = "message-queue-max",
        env = "GODWIT_MESSAGE_QUEUE_MAX",
        value_name = "GODWIT_MESSAGE_QUEUE_MAX",
        default_value_t = 4_096,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub queue_max: u32,

    /// For how many pairs of chat and member it is remembered what the member may do.
    #[arg(
        long = "message-policy-cache-max",
        env = "GODWIT_MESSAGE_POLICY_CACHE_MAX",
        value_name = "GODWIT_MESSAGE_POLICY_CACHE_MAX",
        default_value_t = 200_000
    )]
    pub policy_cache_max: u64,

    /// How often the outbox is looked through for updates that nobody got through, in milliseconds.
    #[arg(
        long = "message-sweep-interval-ms",
        env = "GODWIT_MESSAGE_SWEEP_INTERVAL_MS",
        value_name = "GODWIT_MESSAGE_SWEEP_INTERVAL_MS",
        default_value_t = 250,
        value_parser = clap::value_parser!(u32).range(10..=60_000)
    )]
    pub sweep_interval_ms: u32,

    /// For how many days an update can be synced; a client that was away longer loads its chats again. 0: for ever.
    #[arg(
        long = "message-log-retention-days",
        env = "GODWIT_MESSAGE_LOG_RETENTION_DAYS",
        value_name = "GODWIT_MESSAGE_LOG_RETENTION_DAYS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=36_500)
    )]
    pub log_retention_days: u32,

    /// Whether the server reads pages behind links, so that messages show what they are: `on`, `off`, or for development
    /// `anywhere`, then pages of this machine and of private networks too.
    #[arg(
        long = "message-link-previews",
        env = "GODWIT_MESSAGE_LINK_PREVIEWS",
        value_name = "GODWIT_MESSAGE_LINK_PREVIEWS",
        value_enum,
        default_value = "on"
    )]
    pub link_previews: LinkPreviews,

    /// How often it is looked for what a deletion left and for logs that have grown too old, in milliseconds.
    #[arg(
        long = "message-clean-interval-ms",
        env = "GODWIT_MESSAGE_CLEAN_INTERVAL_MS",
        value_name = "GODWIT_MESSAGE_CLEAN_INTERVAL_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(10..=3_600_000)
    )]
    pub clean_interval_ms: u32,
}

/// Whether the server reads pages behind links.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPreviews {
    /// Those of the public internet.
    On,
    /// None.
    Off,
    /// For development: those of this machine and of private networks too.
    Anywhere,
}

impl LinkPreviews {
    /// Which pages are read; `None`: none.
    pub const fn reach(self) -> Option<Reach> {
        match self {
            Self::On => Some(Reach::PublicOnly),
            Self::Off => None,
            Self::Anywhere => Some(Reach::Anywhere),
        }
    }
}

impl Config {
    /// The limits of the appenders.
    pub fn appenders(&self) -> AppenderOptions {
        AppenderOptions {
            appender_count: self.appenders.into(),
            queue_max: usize::try_from(self.queue_max).unwrap_or(usize::MAX),
            queue_bytes_max: QUEUE_BYTES_MAX,
            batch_max: self.batch_max.into(),
            batch_bytes_max: BATCH_BYTES_MAX,
        }
    }

    /// For how long updates can be synced; `None` for ever.
    pub const fn log_retention(&self) -> Option<Duration> {
        match self.log_retention_days {
            0 => None,
            days => Some(Duration::from_secs(days as u64 * 86_400)),
        }
    }

    /// How old an account's cursor may be: what it has not given must still be in the logs, also while it is read.
    pub fn cursor_age_max(&self) -> time::Duration {
        let kept = self.log_retention().and_then(|kept| time::Duration::try_from(kept).ok());
        kept.map_or(CURSOR_AGE_MAX, |kept| CURSOR_AGE_MAX.min(kept - time::Duration::HOUR))
    }

    /// How often the cleaner looks.
    pub const fn clean_interval(&self) -> Duration {
        Duration::from_millis(self.clean_interval_ms as u64)
    }

    /// How often the outbox is looked through.
    pub const fn sweep_interval(&self) -> Duration {
        Duration::from_millis(self.sweep_interval_ms as u64)
    }
}
