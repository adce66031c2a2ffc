use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{Clock, Entropy, SystemClock, SystemEntropy};
use url::Url;

use crate::snapshot::Snapshot;

/// How to reach a server.
#[derive(Clone)]
pub struct Options {
    /// Where its HTTP interface is, such as `https://chat.example.org`; a path in it is a prefix of every route.
    pub base_url: Url,
    /// How long one REST call may take.
    pub timeout: Duration,
    /// The wall clock, which decides when a token is renewed.
    pub clock: Arc<dyn Clock>,
    /// For client message ids and for jitter.
    pub entropy: Arc<dyn Entropy>,
}

impl Options {
    /// The defaults for the server at `base_url`: calls of at most 20 s.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            timeout: Duration::from_secs(20),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("base_url", &self.base_url.as_str())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How frames are written on the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf in binary frames (`godwit.v1.proto`): smaller, and open to fields that newer servers add.
    #[default]
    Binary,
    /// ProtoJSON in text frames (`godwit.v1.json`).
    Json,
}

impl Encoding {
    /// The WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Binary => "godwit.v1.proto",
            Self::Json => "godwit.v1.json",
        }
    }
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How frames are written.
    pub encoding: Encoding,
    /// Where to continue from; without one the connection begins with the account as it is now.
    pub snapshot: Option<Snapshot>,
    /// How many events may wait for the application. When they are full, live deliveries are dropped, and synced when
    /// there is room again.
    pub event_capacity: usize,
    /// How many sends may be queued.
    pub pending_capacity: usize,
    /// How many sends of one chat may be without an answer at once. With more than one, a message may overtake another
    /// that the server refused for the time being.
    pub in_flight_per_chat: usize,
    /// How often to sync although live deliveries arrive: the longest that a lost last delivery stays unnoticed when
    /// the server could not tell that it was lost.
    pub sync_interval: Duration,
}

impl Default for ConnectOptions {
    /// Binary frames, no snapshot, 1,024 events, 1,000 sends, one in flight a chat, a sync a minute.
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            snapshot: None,
            event_capacity: 1_024,
            pending_capacity: 1_000,
            in_flight_per_chat: 1,
            sync_interval: Duration::from_secs(60),
        }
    }
}
