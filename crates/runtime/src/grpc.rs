use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::response::IntoResponse;
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use http::Request;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tower::Layer;

use crate::options::{CommonOptions, EndpointOptions, GrpcOptions};

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls in flight on one connection; the process's limit is the `ServerLayer`'s.
const MAX_STREAMS_PER_CONNECTION: u32 = 1_024;

/// The gRPC services of a process: each service adds its own before its `start` returns. Clones share the list.
#[derive(Clone, Default)]
pub struct GrpcRoutes {
    shared: Arc<Mutex<Added>>,
}

#[derive(Default)]
struct Added {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
}

impl GrpcRoutes {
    /// No services yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service, such as `XServiceServer::new(x)`.
    pub fn add<S>(&self, service: S)
    where
        S: tower::Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        let mut added = self.shared.lock();
        added.routes.add_service(service);
        added.names.push(S::NAME);
    }

    /// Everything that was added until now.
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.shared.lock().routes.clone().routes()
    }

    /// The full names of the services that were added.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.shared.lock().names.clone()
    }
}

/// The certificates of internal gRPC, the same for both directions.
pub(crate) struct GrpcTls {
    identity: Identity,
    authority: Certificate,
}

impl GrpcTls {
    /// Reads the files that the options name; `None` when they name none.
    pub fn read(options: &GrpcOptions) -> anyhow::Result<Option<Self>> {
        let (cert, key, authority) = match (&options.tls_cert, &options.tls_key, &options.tls_ca) {
            (None, None, None) => return Ok(None),
            (Some(cert), Some(key), Some(authority)) => (cert, key, authority),
            _ => anyhow::bail!("GODWIT_GRPC_TLS_CERT, GODWIT_GRPC_TLS_KEY and GODWIT_GRPC_TLS_CA go together"),
        };
        Ok(Some(Self {
            identity: Identity::from_pem(read("GODWIT_GRPC_TLS_CERT", cert)?, read("GODWIT_GRPC_TLS_KEY", key)?),
            authority: Certificate::from_pem(read("GODWIT_GRPC_TLS_CA", authority)?),
        }))
    }

    /// What the listener presents, and demands of who connects.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity.clone())
            .client_ca_root(self.authority.clone())
            .timeout(Duration::from_secs(5))
    }

    /// What calls to other processes present, and demand.
    pub fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().identity(self.identity.clone()).ca_certificate(self.authority.clone())
    }
}

/// Where the services of other processes are, and those of this one (`local_targets`) once `routes` are bound. Must
/// be called inside the Tokio runtime.
///
/// # Errors
/// When a URL or certificate cannot be used; the error names the variable.
pub fn open_directory(
    options: &CommonOptions,
    routes: LocalRoutes,
    local_targets: impl IntoIterator<Item = Target>,
) -> anyhow::Result<Directory> {
    let mut directory = secured(Directory::new(routes, local_targets), &options.grpc)?;
    for target in Target::ALL {
        let urls = options.endpoints.of(target);
        if !urls.is_empty() {
            directory = directory
                .with_remote(target, urls)
                .with_context(|| format!("{} cannot be used", EndpointOptions::variable(target)))?;
        }
    }
    Ok(directory)
}

/// A directory that knows no service, for a tool that is told which replica to ask.
///
/// # Errors
/// When a certificate cannot be used; the error names the variable.
pub fn directory_of_none(options: &GrpcOptions) -> anyhow::Result<Directory> {
    secured(Directory::new(LocalRoutes::new(), []), options)
}

fn secured(directory: Directory, options: &GrpcOptions) -> anyhow::Result<Directory> {
    Ok(match GrpcTls::read(options)? {
        Some(tls) => directory.with_tls(tls.client()),
        None => directory,
    })
}

/// The gRPC listener of a process, bound but not answering yet.
pub(crate) struct Listener {
    incoming: TcpIncoming,
    server: Server,
}

impl Listener {
    /// Binds the address, so that one that is taken shows at start.
    pub async fn bind(address: SocketAddr, tls: Option<&GrpcTls>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("GODWIT_GRPC_LISTEN: cannot listen at {address}"))?;
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION);
        if let Some(tls) = tls {
            server = server.tls_config(tls.server()).context("GODWIT_GRPC_TLS_*: the certificates cannot be used")?;
        }
        Ok(Self { incoming: TcpIncoming::from(listener).with_nodelay(Some(true)), server })
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.incoming.local_addr()?)
    }

    /// Answers calls until `stop`, then finishes those that were begun.
    pub async fn serve(self, routes: Routes, layer: ServerLayer, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { incoming, server } = self;
        server
            .serve_with_incoming_shutdown(layer.layer(routes.prepare()), incoming, stop.cancelled_owned())
            .await
            .context("the gRPC listener failed")
    }
}

fn read(variable: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{variable}: {} cannot be read", path.display()))
}
