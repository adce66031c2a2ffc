use std::time::Duration;

/// The options of the presence service.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// How long the users of a gateway node that died stay online, in seconds. Nodes report twice in this time.
    #[arg(
        long = "presence-lease-secs",
        env = "GODWIT_PRESENCE_LEASE_SECS",
        value_name = "GODWIT_PRESENCE_LEASE_SECS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(2..=300)
    )]
    pub lease_secs: u16,

    /// How long who disconnected, or went to the background, is still shown as they were, in milliseconds: who is back
    /// within this time was never gone. Also how long the users of a gateway that stops have to turn up at another.
    #[arg(
        long = "presence-grace-ms",
        env = "GODWIT_PRESENCE_GRACE_MS",
        value_name = "GODWIT_PRESENCE_GRACE_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(0..=60_000)
    )]
    pub grace_ms: u32,
}

impl Config {
    /// How long a node's lease holds without a report.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_secs as u64)
    }

    /// How long nobody gets worse.
    pub const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms as u64)
    }
}
