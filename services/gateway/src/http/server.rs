use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use anyhow::Context as _;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
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
/// Connections that wait to be accepted; the kernel takes no more than `net.core.somaxconn` says. When they are too few,
/// those who come at once wait a second or more until they try again.
const BACKLOG: i32 = 4_096;
/// Connections of HTTP beside WebSockets, over all workers. At the limit of a worker nothing is accepted any more, so it
/// lies above what WebSockets may need while they are opened.
const HTTP_CONNECTIONS: usize = 50_000;

/// The listener of the edge, bound but not answering yet.
pub struct Listener(TcpListener);

impl Listener {
    /// Binds the address, so that one that is taken shows at start.
    pub fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = listen(address).with_context(|| format!("GODWIT_GATEWAY_LISTEN: cannot listen at {address}"))?;
        Ok(Self(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }
}

/// As the standard library does it, but with a backlog of our own.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Answers until `stop`, then sends every socket away and finishes the requests that were begun.
pub async fn serve(listener: Listener, edge: Arc<Edge>, stop: CancellationToken) -> anyhow::Result<()> {
    let data = Data::from(Arc::clone(&edge));
    let workers = match edge.config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers.into(),
    };
    let max_sockets = usize::try_from(edge.config.max_sockets).unwrap_or(usize::MAX);
    let builder = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECS)
        .max_concurrent_connections(max_sockets.saturating_add(HTTP_CONNECTIONS).div_ceil(workers));
    let stops = builder.graceful_shutdown_signal();
    // What `HttpServer` of actix-web does, but that connections which become WebSockets leave it.
    let service = move || {
        let (data, stops) = (data.clone(), stops.clone());
        let app = App::new()
            .app_data(data.clone())
            .wrap(from_fn(cors::allow_origins))
            .configure(configure)
            .default_service(web::to(rest::serve))
            .into_factory()
            .map_err(|error: Error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stops = stops.clone();
                async move { stops.notified().await }
            })
            .client_request_timeout(HEADER_TIMEOUT)
            .client_disconnect_timeout(LINGER)
            .keep_alive(KEEP_ALIVE)
            .on_connect_ext(|stream: &TcpStream, _| set_socket_options(stream))
            .upgrade(fn_service(move |(request, framed)| crate::ws::upgrade(data.clone(), request, framed)))
            .finish(map_config(app, |()| AppConfig::default()))
            .tcp()
    };
    let server = builder.listen("gateway", listener.0, service).context("the gateway cannot listen")?.run();

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
        crate::ws::drain(&edge).await;
        handle.stop(true).await;
    };
    let (ended, ()) = tokio::join!(server, send_away);
    ended.context("the HTTP server failed while it stopped")
}

fn set_socket_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER_BYTES))
        .and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection keeps its own socket options");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_come_at_once_are_taken_before_anybody_is_accepted() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().unwrap();
        // Past the backlog a connect waits for a second at least until it is tried again.
        let connect = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
        let waiting: Vec<_> = (0..500).map(connect).collect();
        assert_eq!(waiting.len(), 500);
    }
}
