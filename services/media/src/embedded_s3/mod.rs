//! An S3 server over a local directory, for one machine: `media` then speaks S3 and nothing else, wherever it runs.
//!
//! It answers only to its one pair of credentials, speaks HTTP/1.1 without TLS and is meant for a loopback address or
//! one behind a proxy that ends TLS. Objects are not synced to disk one by one: what was uploaded in the last seconds
//! before a power failure may be lost. For more than one machine, use an object store.

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The most connections at once; further ones wait in the listen queue of the system.
const MAX_CONNECTIONS: usize = 512;
/// How long a connection may take to send a request's head, and how long it may stay idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long running transfers may go on after `stop`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on")]
    Listen(SocketAddr, #[source] io::Error),
    /// The directory cannot be used.
    #[error("the directory {0} cannot be used")]
    Directory(String, #[source] io::Error),
    /// Another server uses the directory.
    #[error("the directory {0} is in use by another S3 server")]
    InUse(String),
}

/// Serves the S3 protocol from `dir` on `listen` until `stop` is cancelled. `dir` is created when it is absent.
///
/// # Errors
/// When the address or the directory cannot be used.
pub async fn serve(
    listen: SocketAddr,
    dir: &Path,
    access_key: &str,
    secret_key: &str,
    stop: CancellationToken,
) -> Result<(), Error> {
    let server = EmbeddedS3::bind(listen, dir, access_key, secret_key).await?;
    server.serve(stop).await;
    Ok(())
}

/// A server that has its address and its directory and does not answer yet.
pub struct EmbeddedS3 {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: S3Service,
    /// Held for as long as the server lives: two servers would overwrite each other's temporary files.
    _lock: File,
}

impl EmbeddedS3 {
    /// Takes the address (port 0: any free one) and the directory, which is created when it is absent.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub async fn bind(listen: SocketAddr, dir: &Path, access_key: &str, secret_key: &str) -> Result<Self, Error> {
        let shown = dir.display().to_string();
        let objects = dir.join("objects");
        std::fs::create_dir_all(&objects).map_err(|error| Error::Directory(shown.clone(), error))?;
        let lock = lock(dir, &shown)?;
        let files = s3s_fs::FileSystem::new(&objects)
            .map_err(|error| Error::Directory(shown, io::Error::other(format!("{error:?}"))))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
        let listener = TcpListener::bind(listen).await.map_err(|error| Error::Listen(listen, error))?;
        let local_addr = listener.local_addr().map_err(|error| Error::Listen(listen, error))?;
        Ok(Self { listener, local_addr, service: builder.build(), _lock: lock })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `stop` is cancelled, then lets running transfers end for a few seconds.
    pub async fn serve(self, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(connection(stream, self.service.clone(), &graceful))),
                    Err(error) => {
                        // Out of file descriptors, mostly: some become free when connections end.
                        tracing::warn!(%error, "the S3 server cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(self.listener);
        if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!(count = connections.len(), "the S3 server ends with transfers running");
        }
    }
}

/// One connection; how it ends is the client's affair.
fn connection(
    stream: TcpStream,
    service: S3Service,
    graceful: &GracefulShutdown,
) -> impl Future<Output = Result<(), Infallible>> + Send + use<> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection of the S3 server ended early");
        }
        Ok(())
    }
}

fn lock(dir: &Path, shown: &str) -> Result<File, Error> {
    let file = File::create(dir.join("lock")).map_err(|error| Error::Directory(shown.to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(shown.to_owned())),
        Err(TryLockError::Error(error)) => Err(Error::Directory(shown.to_owned(), error)),
    }
}
