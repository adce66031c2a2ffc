use std::net::SocketAddr;
use std::time::Duration;

use crate::limits::{ClassRate, Rates, RoomSizes};

/// What the gateway reads from the environment.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// Where clients connect, by HTTP and WebSocket.
    #[arg(
        long = "gateway-listen",
        env = "GODWIT_GATEWAY_LISTEN",
        value_name = "GODWIT_GATEWAY_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// The origins of web pages that may call the API and open sockets, separated by commas, such as
    /// `https://app.example`. Pages that the gateway serves itself always may.
    #[arg(
        long = "gateway-origins",
        env = "GODWIT_GATEWAY_ORIGINS",
        value_name = "GODWIT_GATEWAY_ORIGINS",
        value_delimiter = ','
    )]
    pub origins: Vec<String>,

    /// How many reverse proxies stand before the gateway, each of which adds to `X-Forwarded-For`. With 0 that header
    /// is not believed.
    #[arg(
        long = "gateway-trusted-proxies",
        env = "GODWIT_GATEWAY_TRUSTED_PROXIES",
        value_name = "GODWIT_GATEWAY_TRUSTED_PROXIES",
        default_value_t = 0
    )]
    pub trusted_proxies: u8,

    /// The threads that carry connections; 0 for one a core.
    #[arg(
        long = "gateway-workers",
        env = "GODWIT_GATEWAY_WORKERS",
        value_name = "GODWIT_GATEWAY_WORKERS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=512)
    )]
    pub workers: u16,

    /// The most WebSockets of the process.
    #[arg(
        long = "gateway-max-sockets",
        env = "GODWIT_GATEWAY_MAX_SOCKETS",
        value_name = "GODWIT_GATEWAY_MAX_SOCKETS",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_sockets: u32,

    /// The most WebSockets from one address, or from one /64 network of IPv6, on one gateway; the next handshake is refused
    /// with 429. 0 for as many as there may be. All clients behind a reverse proxy have its address, unless
    /// `GODWIT_GATEWAY_TRUSTED_PROXIES` counts it.
    #[arg(
        long = "gateway-sockets-per-address",
        env = "GODWIT_GATEWAY_SOCKETS_PER_ADDRESS",
        value_name = "GODWIT_GATEWAY_SOCKETS_PER_ADDRESS",
        default_value_t = 20_000
    )]
    pub sockets_per_address: u32,

    /// How many WebSockets a second may be opened in the long run, twice as many at once; the next handshake is refused with
    /// 503 before its token is looked at.
    #[arg(
        long = "gateway-handshakes-per-sec",
        env = "GODWIT_GATEWAY_HANDSHAKES_PER_SEC",
        value_name = "GODWIT_GATEWAY_HANDSHAKES_PER_SEC",
        default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub handshakes_per_sec: u32,

    /// The most WebSockets of one user on one gateway; one more closes the oldest: of the same device, if it has another.
    #[arg(
        long = "gateway-sockets-per-user",
        env = "GODWIT_GATEWAY_SOCKETS_PER_USER",
        value_name = "GODWIT_GATEWAY_SOCKETS_PER_USER",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub sockets_per_user: u32,

    /// How many frames a second a client may send over one WebSocket in the long run; twice as many at once.
    #[arg(
        long = "gateway-frames-per-sec",
        env = "GODWIT_GATEWAY_FRAMES_PER_SEC",
        value_name = "GODWIT_GATEWAY_FRAMES_PER_SEC",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub frames_per_sec: u32,

    /// How many HTTP requests a second one user may make in the long run to read; four times as many at once. They may
    /// change things, send and move files half as often, sync a fourth, search a tenth. One device has three fourths of what
    /// its user has.
    #[arg(
        long = "gateway-requests-per-sec",
        env = "GODWIT_GATEWAY_REQUESTS_PER_SEC",
        value_name = "GODWIT_GATEWAY_REQUESTS_PER_SEC",
        default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub requests_per_sec: u32,

    /// How many HTTP requests without an access token a second one address may make in the long run; four times as
    /// many at once.
    #[arg(
        long = "gateway-open-requests-per-sec",
        env = "GODWIT_GATEWAY_OPEN_REQUESTS_PER_SEC",
        value_name = "GODWIT_GATEWAY_OPEN_REQUESTS_PER_SEC",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub open_requests_per_sec: u32,

    /// How many requests a second one address may make in the long run to log in, register, verify or reset something
    /// without an access token; four times as many at once. They do not count as other requests without a token.
    #[arg(
        long = "gateway-login-requests-per-sec",
        env = "GODWIT_GATEWAY_LOGIN_REQUESTS_PER_SEC",
        value_name = "GODWIT_GATEWAY_LOGIN_REQUESTS_PER_SEC",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub login_requests_per_sec: u32,

    /// Instead, the requests a second of some classes, separated by commas, such as `search=5,media=50`. Classes are read,
    /// write, send, sync, search, media (of a user), login and open (of an address).
    #[arg(
        long = "gateway-class-rates",
        env = "GODWIT_GATEWAY_CLASS_RATES",
        value_name = "GODWIT_GATEWAY_CLASS_RATES",
        value_delimiter = ','
    )]
    pub class_rates: Vec<ClassRate>,

    /// The most HTTP requests that are served at once, without the two kinds below; the next is refused with 503.
    #[arg(
        long = "gateway-max-requests",
        env = "GODWIT_GATEWAY_MAX_REQUESTS",
        value_name = "GODWIT_GATEWAY_MAX_REQUESTS",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_requests: u32,

    /// The most requests to catch up that are served at once. Sixteen times as many wait for at most 5 s; the next is refused
    /// with 503.
    #[arg(
        long = "gateway-max-syncs",
        env = "GODWIT_GATEWAY_MAX_SYNCS",
        value_name = "GODWIT_GATEWAY_MAX_SYNCS",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub max_syncs: u32,

    /// The most requests that cost a password hash or a mail that are served at once. Sixteen times as many wait for at most
    /// 5 s; the next is refused with 503.
    #[arg(
        long = "gateway-max-logins",
        env = "GODWIT_GATEWAY_MAX_LOGINS",
        value_name = "GODWIT_GATEWAY_MAX_LOGINS",
        default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub max_logins: u32,

    /// How often a WebSocket client is pinged, in milliseconds.
    #[arg(
        long = "gateway-heartbeat-ms",
        env = "GODWIT_GATEWAY_HEARTBEAT_MS",
        value_name = "GODWIT_GATEWAY_HEARTBEAT_MS",
        default_value_t = 25_000,
        value_parser = clap::value_parser!(u32).range(10..=600_000)
    )]
    pub heartbeat_ms: u32,

    /// After how many milliseconds without a sign of life a WebSocket is closed.
    #[arg(
        long = "gateway-dead-after-ms",
        env = "GODWIT_GATEWAY_DEAD_AFTER_MS",
        value_name = "GODWIT_GATEWAY_DEAD_AFTER_MS",
        default_value_t = 60_000,
        value_parser = clap::value_parser!(u32).range(20..=3_600_000)
    )]
    pub dead_after_ms: u32,

    /// How many milliseconds a WebSocket client may take to make room for one more frame before it is closed.
    #[arg(
        long = "gateway-write-timeout-ms",
        env = "GODWIT_GATEWAY_WRITE_TIMEOUT_MS",
        value_name = "GODWIT_GATEWAY_WRITE_TIMEOUT_MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(10..=600_000)
    )]
    pub write_timeout_ms: u32,

    /// The longest pause that clients are told to wait before they connect again when this gateway goes away, in
    /// milliseconds; each is told another.
    #[arg(
        long = "gateway-reconnect-spread-ms",
        env = "GODWIT_GATEWAY_RECONNECT_SPREAD_MS",
        value_name = "GODWIT_GATEWAY_RECONNECT_SPREAD_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(1..=600_000)
    )]
    pub reconnect_spread_ms: u32,
}

impl Config {
    /// How often a client is pinged.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.into())
    }

    /// When a silent client is given up.
    pub(crate) fn dead_after(&self) -> Duration {
        Duration::from_millis(self.dead_after_ms.into())
    }

    /// How long one write may take.
    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms.into())
    }

    /// How much users and addresses may ask.
    pub(crate) fn rates(&self) -> Rates {
        let Self { requests_per_sec: user, open_requests_per_sec: address, login_requests_per_sec: logins, .. } = *self;
        Rates { user, address, logins, classes: self.class_rates.clone() }
    }

    /// How many requests are served at once.
    pub(crate) fn room_sizes(&self) -> RoomSizes {
        RoomSizes { requests: self.max_requests, syncs: self.max_syncs, logins: self.max_logins }
    }

    /// # Errors
    /// When values do not fit together; the error names the variable.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.dead_after_ms > self.heartbeat_ms,
            "GODWIT_GATEWAY_DEAD_AFTER_MS must be more than GODWIT_GATEWAY_HEARTBEAT_MS"
        );
        for origin in &self.origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            anyhow::ensure!(
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', ' '])),
                "GODWIT_GATEWAY_ORIGINS: {origin:?} is not an origin, such as https://app.example"
            );
        }
        Ok(())
    }
}
