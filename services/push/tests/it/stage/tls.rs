//! TLS and HTTP/2 as providers speak them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Who signs the certificates of one test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn pem_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Ends TLS for `localhost`; offers HTTP/2 alone, as Apple does.
    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server that can be stopped, and started again at the same address.
pub struct Server {
    port: u16,
    acceptor: TlsAcceptor,
    router: Router,
    connection_count: Arc<AtomicUsize>,
    serving: JoinSet<()>,
}

impl Server {
    pub async fn open(authority: &Authority, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = authority.acceptor();
        let mut server = Self { port, acceptor, router, connection_count: Arc::default(), serving: JoinSet::new() };
        server.serve(listener);
        server
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.connection_count.load(Ordering::SeqCst)
    }

    /// Ends all connections and takes no more.
    pub async fn stop(&mut self) {
        self.serving.shutdown().await;
    }

    pub async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let (acceptor, router, count) =
            (self.acceptor.clone(), self.router.clone(), Arc::clone(&self.connection_count));
        self.serving.spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, router) = (acceptor.clone(), router.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let connection = http2::Builder::new(TokioExecutor::new());
                    drop(connection.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
    }
}
