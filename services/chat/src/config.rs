use std::time::Duration;

/// The options of the chat service.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// How often it is looked for updates whose append to their chat's log must be repeated, in milliseconds.
    #[arg(
        long = "chat-delivery-interval-ms",
        env = "GODWIT_CHAT_DELIVERY_INTERVAL_MS",
        value_name = "GODWIT_CHAT_DELIVERY_INTERVAL_MS",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(10..=60_000)
    )]
    pub delivery_interval_ms: u32,
}

impl Config {
    /// How often it is looked for updates to append again.
    pub const fn delivery_interval(&self) -> Duration {
        Duration::from_millis(self.delivery_interval_ms as u64)
    }
}
