use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_ws::{AggregatedMessage, AggregatedMessageStream, Closed, ProtocolError, Session};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ConnectedFrame, PingFrame};
use godwit_live::TokenBucket;
use godwit_rpc::{EdgeRequest, timestamp};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::metadata::MetadataMap;

use super::frames::{self, Encoding, Received, Wire, notice};
use super::outbox::{Close, Item, Outbox, resync};
use super::requests::Requests;
use super::socket::{Scope, Socket};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::limits::Bucket;
use crate::{Config, Error};

/// How long it may take to hear why it is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a handshake found out.
pub struct Opening {
    pub scope: Scope,
    pub token: Option<String>,
    pub encoding: Encoding,
    pub client_address: Option<IpAddr>,
    pub request_id: String,
    pub edge: Arc<Edge>,
}

/// Starts the task of a connection, on the worker that accepted it.
#[expect(clippy::disallowed_methods, reason = "a socket cannot leave its worker; the hub knows and ends it")]
pub fn start(opening: Opening, session: Session, stream: AggregatedMessageStream) {
    actix_web::rt::spawn(run(opening, session, stream));
}

async fn run(opening: Opening, session: Session, stream: AggregatedMessageStream) {
    let close = match authenticate(&opening).await {
        Ok(identity) => Box::pin(serve(opening, identity, session, stream)).await,
        Err(error) => {
            let close = match error {
                Error::KeysUnavailable => Close::TryAgain,
                _ => Close::Unauthenticated,
            };
            let refused = frames::error("", &error.into());
            let outbox = Outbox::new(opening.encoding);
            outbox.close(close, Some(Wire::encode(&refused, opening.encoding)));
            write(&outbox, session, &opening.edge.config).await;
            close
        }
    };
    metrics::counter!("gateway_closes_total", "code" => close.code().to_string()).increment(1);
}

async fn authenticate(opening: &Opening) -> Result<Identity, Error> {
    let token = opening.token.as_deref().ok_or(Error::TokenMissing)?;
    opening.edge.authenticator.authenticate(token).await
}

/// Reads and writes until one side ends; the last word is written in any case.
async fn serve(opening: Opening, identity: Identity, session: Session, stream: AggregatedMessageStream) -> Close {
    let Opening { scope, encoding, client_address, request_id, edge, .. } = opening;
    let caller = identity.caller;
    let socket = Arc::new(Socket { caller, scope, outbox: Outbox::new(encoding) });
    let _registration = edge.hub.register(&socket);
    let passed = EdgeRequest { caller: Some(caller), request_id: &request_id, client_address };
    let reader = Reader {
        metadata: MetadataMap::from_headers(passed.metadata(&http::HeaderMap::new())),
        heard_at: Instant::now(),
        identity,
        bucket: Bucket::new(TokenBucket {
            capacity: edge.config.frames_per_sec.saturating_mul(2),
            refill_per_sec: edge.config.frames_per_sec.into(),
        }),
        edge: &edge,
        socket: &socket,
    };
    let reading = async {
        let close = reader.run(stream).await;
        socket.outbox.close(close, None);
        // The writer ends both.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = write(&socket.outbox, session, &edge.config) => {}
        () = reading => {}
    }
    socket.outbox.close(Close::Gone, None);
    socket.outbox.closed().unwrap_or(Close::Gone)
}

/// The incoming side of a connection.
struct Reader<'a> {
    edge: &'a Arc<Edge>,
    socket: &'a Arc<Socket>,
    metadata: MetadataMap,
    identity: Identity,
    bucket: Bucket,
    /// The last sign of life.
    heard_at: Instant,
}

impl Reader<'_> {
    /// Opens the socket and reads until it must be closed.
    async fn run(mut self, stream: AggregatedMessageStream) -> Close {
        if let Err(error) = self.edge.hub.open(self.socket).await {
            return self.refuse(error);
        }
        self.socket.outbox.open(Wire::encode(&self.connected(), self.socket.outbox.encoding()));
        let mut stream = pin!(stream);
        let mut requests = Requests::new(self.edge, self.socket, std::mem::take(&mut self.metadata));
        loop {
            if !requests.has_room() {
                // Nothing is read now, so nothing can be heard.
                self.heard_at = Instant::now();
            }
            let dead_at = self.heard_at + self.edge.config.dead_after();
            let ends_at = self.edge.instant_of(self.identity.ends_at());
            tokio::select! {
                message = stream.recv(), if requests.has_room() => match self.take(message, &mut requests).await {
                    Ok(()) => {}
                    Err(close) => return close,
                },
                () = requests.work(), if !requests.is_idle() => {}
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

    fn connected(&self) -> godwit_contract::v1::ServerFrame {
        notice(Frame::Connected(ConnectedFrame {
            user_id: self.identity.caller.user_id.to_string(),
            device_id: self.identity.caller.device_id.to_string(),
            heartbeat_ms: self.edge.config.heartbeat_ms,
            token_expires_at: Some(timestamp(self.identity.expires_at)),
        }))
    }

    async fn take(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
        requests: &mut Requests<'_>,
    ) -> Result<(), Close> {
        self.heard_at = Instant::now();
        let received = match message {
            Some(Ok(AggregatedMessage::Text(text))) => Received::Text(text),
            Some(Ok(AggregatedMessage::Binary(bytes))) => Received::Binary(bytes),
            Some(Ok(AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_))) => {
                return self.bucket.take().map_err(|_| Close::Flooding);
            }
            Some(Ok(AggregatedMessage::Close(_))) | None => return Err(Close::Gone),
            Some(Err(ProtocolError::Overflow)) => return Err(Close::FrameTooBig),
            Some(Err(ProtocolError::Io(error))) if is_too_long(&error) => return Err(Close::FrameTooBig),
            Some(Err(_)) => return Err(Close::Protocol),
        };
        self.bucket.take().map_err(|_| Close::Flooding)?;
        if let Some(identity) = requests.begin(&received, &self.identity).await {
            self.identity = identity;
        }
        Ok(())
    }
}

/// The library tells a message of too many fragments only by this text.
fn is_too_long(error: &std::io::Error) -> bool {
    error.to_string().contains("continuation size")
}

/// Writes what waits, and pings, until the last word.
async fn write(outbox: &Outbox, mut session: Session, config: &Config) {
    let encoding = outbox.encoding();
    let limit = config.write_timeout();
    let mut ping_at = Instant::now() + config.heartbeat();
    loop {
        let written = match timeout_at(ping_at, outbox.next()).await {
            Ok(Item::Close(close)) => {
                let _ = timeout(CLOSE_TIMEOUT, session.close(Some(close.reason()))).await;
                return;
            }
            Ok(Item::Live(wire) | Item::Answer(wire)) => timeout(limit, send(&mut session, wire)).await,
            Ok(Item::Resync) => timeout(limit, send(&mut session, resync(encoding))).await,
            Err(_) => {
                ping_at = Instant::now() + config.heartbeat();
                timeout(limit, ping(&mut session, encoding)).await
            }
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(Closed)) => return,
            Err(_) => outbox.close(Close::TooSlow, None),
        }
    }
}

async fn send(session: &mut Session, wire: Wire) -> Result<(), Closed> {
    match wire {
        Wire::Text(text) => session.text(text).await,
        Wire::Binary(bytes) => session.binary(bytes).await,
    }
}

/// Both a frame, which a page can see, and a ping of the protocol, which every client library answers by itself.
async fn ping(session: &mut Session, encoding: Encoding) -> Result<(), Closed> {
    send(session, Wire::encode(&notice(Frame::Ping(PingFrame {})), encoding)).await?;
    session.ping(b"").await
}
