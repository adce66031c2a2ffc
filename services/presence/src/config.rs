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
}

impl Config {
    /// How long a node's lease holds without a report.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_secs as u64)
    }
}
