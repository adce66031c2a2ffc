use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ConnectedFrame, ReconnectFrame};
use godwit_live::TokenBucket;
use godwit_rpc::{EdgeRequest, timestamp};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until, timeout};

use super::admission::Place;
use super::frames::{self, Encoding, Wire, notice};
use super::inbound::Inbound;
use super::incoming::Event;
use super::outbox::{Close, Outbox};
use super::requests::Requests;
use super::socket::{Scope, Socket};
use super::writer;
use crate::Error;
use crate::edge::Edge;
use crate::identity::Identity;
use crate::limits::Bucket;

/// How long it may take to find out whose a token is.
const AUTHENTICATE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take until all that a socket shows is followed.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long what a client asked before it is sent away may take.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);
/// How long bytes of a client are still taken after the last word, so that it gets to read that: closing at once would
/// answer them with a reset, which takes the close code with it.
const LINGER: Duration = Duration::from_secs(2);

/// What a handshake found out.
pub struct Opening {
    pub scope: Scope,
    pub token: Option<String>,
    pub encoding: Encoding,
    pub client_address: Option<IpAddr>,
    pub request_id: String,
    pub edge: Arc<Edge>,
    /// Held until the connection is closed.
    #[expect(dead_code, reason = "it matters when it is dropped")]
    pub place: Place,
}

/// Starts the task of a connection, on the worker that accepted it.
#[expect(clippy::disallowed_methods, reason = "a socket cannot leave its worker; the hub knows and ends it")]
pub fn start(opening: Opening, stream: TcpStream, early: &[u8]) {
    let early = Bytes::copy_from_slice(early);
    actix_web::rt::spawn(async move {
        if AssertUnwindSafe(run(opening, stream, early)).catch_unwind().await.is_err() {
            metrics::counter!("gateway_connection_panics_total").increment(1);
        }
    });
}

/// What is done once is in boxes: a connection holds the room for its calls to other services no longer than they take.
async fn run(mut opening: Opening, mut stream: TcpStream, early: Bytes) {
    let close = match Box::pin(authenticate(&mut opening)).await {
        Ok(identity) => Box::pin(serve(&opening, identity, &stream, early)).await,
        Err(error) => {
            let close = match error {
                Error::KeysUnavailable => Close::TryAgain,
                _ => Close::Unauthenticated,
            };
            let refused = frames::error("", &error.into());
            let outbox = Outbox::new(opening.encoding);
            outbox.close(close, Some(Wire::encode(&refused, opening.encoding)));
            Box::pin(writer::write(&outbox, &stream, &opening.edge)).await;
            close
        }
    };
    metrics::counter!("gateway_closes_total", "code" => close.label()).increment(1);
    Box::pin(linger(&mut stream)).await;
}

async fn authenticate(opening: &mut Opening) -> Result<Identity, Error> {
    let token = opening.token.take().ok_or(Error::TokenMissing)?;
    let identity = timeout(AUTHENTICATE_TIMEOUT, opening.edge.authenticator.authenticate(&token)).await;
    identity.map_err(|_| Error::KeysUnavailable)?
}

/// Reads and writes until one side ends; the last word is written in any case.
async fn serve(opening: &Opening, identity: Identity, stream: &TcpStream, early: Bytes) -> Close {
    let Opening { scope, encoding, client_address, request_id, edge, .. } = opening;
    let caller = identity.caller;
    let socket = Arc::new(Socket { caller, scope: *scope, outbox: Outbox::new(*encoding) });
    let _registration = edge.hub.register(&socket);
    let reader = Reader {
        from: EdgeRequest { caller: Some(caller), request_id, client_address: *client_address },
        heard_at: Instant::now(),
        identity,
        bucket: Bucket::new(TokenBucket {
            capacity: edge.config.frames_per_sec.saturating_mul(2),
            refill_per_sec: edge.config.frames_per_sec.into(),
        }),
        edge,
        socket: &socket,
    };
    let reading = async {
        let close = reader.run(Inbound::new(stream, &early)).await;
        socket.outbox.close(close, None);
        // The writer ends both.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = writer::write(&socket.outbox, stream, edge) => {}
        () = reading => {}
    }
    socket.outbox.close(Close::Gone, None);
    socket.outbox.closed().unwrap_or(Close::Gone)
}

/// Ends the connection so that the client can read its last word.
pub async fn linger(stream: &mut TcpStream) {
    let drained = async {
        stream.shutdown().await?;
        let mut bytes = [0; 512];
        loop {
            stream.readable().await?;
            consume_budget().await;
            match stream.try_read(&mut bytes) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    };
    // Whoever stays longer, or is gone already, reads nothing more anyway.
    let _: Result<std::io::Result<()>, _> = timeout(LINGER, drained).await;
}

/// The incoming side of a connection.
struct Reader<'a> {
    edge: &'a Arc<Edge>,
    socket: &'a Arc<Socket>,
    from: EdgeRequest<'a>,
    identity: Identity,
    bucket: Bucket,
    /// The last sign of life.
    heard_at: Instant,
}

impl Reader<'_> {
    /// Opens the socket and reads until it must be closed.
    async fn run(mut self, mut inbound: Inbound<'_>) -> Close {
        let opening = timeout(OPEN_TIMEOUT, Box::pin(self.edge.hub.open(self.socket)));
        let opened = tokio::select! {
            opened = opening => opened.unwrap_or(Err(Error::Overloaded)),
            () = inbound.gone() => return Close::Gone,
            after_ms = self.socket.outbox.asked_to_leave() => return self.leave(after_ms),
        };
        if let Err(error) = opened {
            return self.refuse(error);
        }
        self.socket.outbox.open(Wire::encode(&self.connected(), self.socket.outbox.encoding()));
        let mut requests = Requests::new(self.edge, self.socket, self.from);
        self.heard_at = Instant::now();
        loop {
            if !requests.has_room() {
                // Nothing is read now, so nothing can be heard.
                self.heard_at = Instant::now();
                inbound.forgive_delay();
            }
            let dead_at =
                inbound.begun_at().unwrap_or(self.heard_at).min(self.heard_at) + self.edge.config.dead_after();
            let ends_at = self.edge.instant_of(self.identity.ends_at());
            tokio::select! {
                event = inbound.next(), if requests.has_room() => {
                    if let Err(close) = self.take(event, &mut requests).await {
                        return close;
                    }
                }
                () = requests.work(), if !requests.is_idle() => {}
                after_ms = self.socket.outbox.asked_to_leave() => {
                    let finished = async { while !requests.is_idle() { requests.work().await } };
                    // What is not done by then is asked again by the client, under the same id.
                    let _ = timeout(FINISH_TIMEOUT, finished).await;
                    return self.leave(after_ms);
                }
                () = sleep_until(dead_at.min(ends_at)) => {
                    // Time may have been gained while this slept: the loop looks again.
                    let now = Instant::now();
                    if now >= ends_at {
                        return Close::Unauthenticated;
                    }
                    if now >= dead_at {
                        return Close::TooSlow;
                    }
                }
            }
        }
    }

    fn refuse(&self, error: Error) -> Close {
        let close = match error {
            Error::ChatNotFound => Close::Forbidden,
            _ => Close::TryAgain,
        };
        let refused = frames::error("", &error.into());
        self.socket.outbox.close(close, Some(Wire::encode(&refused, self.socket.outbox.encoding())));
        close
    }

    /// The last word of a gateway that goes, behind all that waits.
    fn leave(&self, after_ms: u32) -> Close {
        let reconnect = notice(Frame::Reconnect(ReconnectFrame { after_ms }));
        self.socket.outbox.finish(Close::Restart, Wire::encode(&reconnect, self.socket.outbox.encoding()));
        Close::Restart
    }

    fn connected(&self) -> godwit_contract::v1::ServerFrame {
        notice(Frame::Connected(ConnectedFrame {
            user_id: self.identity.caller.user_id.to_string(),
            device_id: self.identity.caller.device_id.to_string(),
            heartbeat_ms: self.edge.config.heartbeat_ms,
            token_expires_at: Some(timestamp(self.identity.expires_at)),
        }))
    }

    /// Every frame counts, also one that is only a part of a message.
    async fn take(&mut self, event: Result<Event, Close>, requests: &mut Requests<'_>) -> Result<(), Close> {
        let event = event?;
        self.bucket.take().map_err(|_| Close::Flooding)?;
        self.heard_at = Instant::now();
        match event {
            Event::Message(received) => {
                if let Some(identity) = requests.begin(&received, &self.identity).await {
                    self.identity = identity;
                }
            }
            Event::Ping(payload) => self.socket.outbox.pong(payload),
            Event::Pong | Event::Fragment => {}
        }
        Ok(())
    }
}
