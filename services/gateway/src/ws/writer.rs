use std::sync::LazyLock;
use std::time::Duration;

use godwit_contract::v1::server_frame::Frame as Notice;
use godwit_contract::v1::{PingFrame, ReconnectFrame};
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

use super::frames::{Encoding, Wire, notice};
use super::outbox::{Close, Item, Outbox, resync};
use super::outgoing::{self, Frame};
use crate::edge::Edge;

/// How long it may take to hear why it is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is written in one go. It has left the outbox, so it is kept small.
const BATCH_FRAMES_MAX: usize = 16;
const BATCH_BYTES_MAX: usize = 64 * 1024;

static PING_AS_JSON: LazyLock<Wire> = LazyLock::new(|| ping_frame(Encoding::Json));
static PING_AS_BINARY: LazyLock<Wire> = LazyLock::new(|| ping_frame(Encoding::Binary));

fn ping_frame(encoding: Encoding) -> Wire {
    Wire::encode(&notice(Notice::Ping(PingFrame {})), encoding)
}

/// Writes what waits, and pings, until the last word.
pub async fn write(outbox: &Outbox, stream: &TcpStream, edge: &Edge) {
    let encoding = outbox.encoding();
    let limit = edge.config.write_timeout();
    let mut ping_at = Instant::now() + edge.config.heartbeat();
    loop {
        let batch = match timeout_at(ping_at, outbox.next()).await {
            Ok(first) => gather(outbox, first),
            Err(_) => {
                ping_at = Instant::now() + edge.config.heartbeat();
                Batch { frames: ping(encoding), close: None }
            }
        };
        if let Err(error) = outgoing::write(stream, &batch.frames, limit).await {
            // A frame may be there in part: nothing can be said after it.
            let is_late = error.kind() == std::io::ErrorKind::TimedOut;
            outbox.close(if is_late { Close::TooSlow } else { Close::Gone }, None);
            return;
        }
        if let Some(close) = batch.close {
            // Whether the client still takes it makes no difference.
            let _ = outgoing::write(stream, &last_words(close, encoding, edge), CLOSE_TIMEOUT).await;
            return;
        }
        // Writing alone would never give way to the other connections of this worker.
        consume_budget().await;
    }
}

/// What goes out together.
struct Batch {
    frames: Vec<Frame>,
    /// The last item, if it is among them.
    close: Option<Close>,
}

fn gather(outbox: &Outbox, first: Item) -> Batch {
    let encoding = outbox.encoding();
    let mut frames = Vec::with_capacity(1);
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(item) = next {
        let frame = match item {
            Item::Live(wire) | Item::Answer(wire) => Frame::message(wire),
            Item::Resync(after_ms) => Frame::message(resync(encoding, after_ms)),
            Item::Pong(payload) => Frame::pong(payload),
            Item::Close(close) => return Batch { frames, close: Some(close) },
        };
        bytes += frame.len();
        frames.push(frame);
        let has_room = frames.len() < BATCH_FRAMES_MAX && bytes < BATCH_BYTES_MAX;
        next = if has_room { outbox.try_next() } else { None };
    }
    Batch { frames, close: None }
}

/// Both a frame, which a page can see, and a ping of the protocol, which every client library answers by itself.
fn ping(encoding: Encoding) -> Vec<Frame> {
    let frame = match encoding {
        Encoding::Json => &PING_AS_JSON,
        Encoding::Binary => &PING_AS_BINARY,
    };
    vec![Frame::message(LazyLock::force(frame).clone()), Frame::ping()]
}

/// The close frame, and before it when to come back, for whom that is the question.
fn last_words(close: Close, encoding: Encoding, edge: &Edge) -> Vec<Frame> {
    let mut words = Vec::with_capacity(2);
    if close.invites_back() {
        let after_ms = edge.entropy.below(edge.config.reconnect_spread_ms);
        let reconnect = notice(Notice::Reconnect(ReconnectFrame { after_ms }));
        words.push(Frame::message(Wire::encode(&reconnect, encoding)));
    }
    words.push(Frame::close(close));
    words
}
