use std::time::Duration;

use godwit_outbound::Reach;
use godwit_runtime::Secret;

/// Options of the push service.
#[derive(clap::Args)]
pub struct Config {
    /// The private key that signs Web Pushes (VAPID, RFC 8292): 32 bytes in base64url. Subscriptions are bound to it, so
    /// it must never change. Without it one is made at first use and kept in the database.
    #[arg(
        long = "push-vapid-private-key",
        env = "GODWIT_PUSH_VAPID_PRIVATE_KEY",
        value_name = "GODWIT_PUSH_VAPID_PRIVATE_KEY",
        hide_env_values = true
    )]
    pub vapid_private_key: Option<Secret>,

    /// Where push services can reach the operator: a mailto: or https: address. Some refuse one that cannot be real.
    #[arg(
        long = "push-vapid-subject",
        env = "GODWIT_PUSH_VAPID_SUBJECT",
        value_name = "GODWIT_PUSH_VAPID_SUBJECT",
        default_value = "mailto:push@localhost"
    )]
    pub vapid_subject: String,

    /// For development: push endpoints may lie in private networks, and on this machine be plain http.
    #[arg(
        long = "push-allow-private-endpoints",
        env = "GODWIT_PUSH_ALLOW_PRIVATE_ENDPOINTS",
        value_name = "GODWIT_PUSH_ALLOW_PRIVATE_ENDPOINTS",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub allow_private_endpoints: bool,

    /// How long after it was sent a message is still worth a notification, in seconds.
    #[arg(
        long = "push-ttl-secs",
        env = "GODWIT_PUSH_TTL_SECS",
        value_name = "GODWIT_PUSH_TTL_SECS",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u32).range(60..=2_419_200)
    )]
    pub ttl_secs: u32,

    /// How many notifications are on their way at once.
    #[arg(
        long = "push-concurrency",
        env = "GODWIT_PUSH_CONCURRENCY",
        value_name = "GODWIT_PUSH_CONCURRENCY",
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=1_024)
    )]
    pub concurrency: u16,

    /// How long a push service may take to answer, in seconds.
    #[arg(
        long = "push-send-timeout-secs",
        env = "GODWIT_PUSH_SEND_TIMEOUT_SECS",
        value_name = "GODWIT_PUSH_SEND_TIMEOUT_SECS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub send_timeout_secs: u32,
}

impl Config {
    /// Which endpoints are taken.
    pub const fn reach(&self) -> Reach {
        if self.allow_private_endpoints { Reach::Anywhere } else { Reach::PublicOnly }
    }

    /// How long a push service may take to answer.
    pub const fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout_secs as u64)
    }
}
