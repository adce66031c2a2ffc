use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use socket2::SockRef;
use tokio_util::sync::CancellationToken;

use super::{configure, cors, rest};
use crate::edge::Edge;

/// What the kernel queues for a client that does not read; more would only hide that it does not.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// A client that acknowledges nothing of what was sent for this long is gone (RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_secs(15);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests that were begun may take once the gateway stops.
const SHUTDOWN_TIMEOUT_SECS: u64 = 10;
/// How long bytes of a client are still taken after the last answer, so that it gets to read that answer: closing at
/// once would answer them with a reset, which takes the answer, or the close code of a socket, with it.
const LINGER: Duration = Duration::from_secs(2);
const BACKLOG: u32 = 1_024;

/// The listener of the edge, bound but not answering yet.
pub struct Listener(TcpListener);

impl Listener {
    /// Binds the address, so that one that is taken shows at start.
    pub fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(address).with_context(|| format!("GODWIT_GATEWAY_LISTEN: cannot listen at {address}"))?;
        Ok(Self(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }
}

/// Answers until `stop`, then sends every socket away and finishes the requests that were begun.
pub async fn serve(listener: Listener, edge: Arc<Edge>, stop: CancellationToken) -> anyhow::Result<()> {
    let data = Data::from(Arc::clone(&edge));
    let workers = match edge.config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers.into(),
    };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .wrap(from_fn(cors::allow_origins))
            .configure(configure)
            .default_service(web::to(rest::serve))
    })
    .workers(workers)
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_TIMEOUT_SECS)
    .client_request_timeout(HEADER_TIMEOUT)
    .client_disconnect_timeout(LINGER)
    .keep_alive(KEEP_ALIVE)
    .backlog(BACKLOG)
    .on_connect(|io, _| set_socket_options(io))
    .listen(listener.0)
    .context("the gateway cannot listen")?
    .run();

    let handle = server.handle();
    let mut server = pin!(server);
    tokio::select! {
        ended = &mut server => {
            ended.context("the HTTP server failed")?;
            anyhow::bail!("the HTTP server ended by itself");
        }
        () = stop.cancelled() => {}
    }
    let send_away = async {
        edge.hub.drain(&*edge.entropy).await;
        handle.stop(true).await;
    };
    let (ended, ()) = tokio::join!(server, send_away);
    ended.context("the HTTP server failed while it stopped")
}

fn set_socket_options(io: &dyn Any) {
    let Some(stream) = io.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER_BYTES))
        .and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection keeps its own socket options");
    }
}
