use std::path::PathBuf;
use std::sync::Arc;

use godwit_pg::{Error, Pool, PoolOptions};
use godwit_testkit::TestDb;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::fixture::SHOP;

/// The packet with which a client asks for TLS (PostgreSQL protocol, `SSLRequest`): length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A PostgreSQL that speaks TLS: an endpoint that ends TLS and passes the rest to the real server.
struct TlsFront {
    port: u16,
    authority: PathBuf,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl TlsFront {
    /// Presents a certificate for `name`.
    async fn start(name: &str, upstream: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("ca.pem");
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&authority, issuer.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let acceptor = acceptor(leaf.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                sessions.spawn(forward(client, acceptor.clone(), upstream.clone()));
            }
        });
        Self { port, authority, _folder: folder, _tasks: tasks }
    }

    /// The role's URL with host and port of this front and these parameters.
    fn pool(&self, db: &TestDb, host: &str, parameters: &str) -> Result<Pool, Error> {
        let url = db.role_url(&SHOP);
        let (login, rest) = url.split_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        Pool::connect(&format!("{login}@{host}:{}/{name}?{parameters}", self.port), PoolOptions::default())
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn forward(mut client: TcpStream, acceptor: TlsAcceptor, upstream: String) {
    let mut first = [0; 8];
    if client.read_exact(&mut first).await.is_err() || first != SSL_REQUEST {
        return;
    }
    client.write_all(b"S").await.unwrap();
    // A client that does not trust the certificate hangs up here.
    let Ok(mut tls) = acceptor.accept(client).await else { return };
    let mut server = TcpStream::connect(upstream).await.unwrap();
    let _ = copy_bidirectional(&mut tls, &mut server).await;
}

async fn front(name: &str) -> (TestDb, TlsFront) {
    let db = TestDb::new(&[&SHOP]).await;
    let (_, rest) = db.url().split_once('@').unwrap();
    let (upstream, _) = rest.split_once('/').unwrap();
    let front = TlsFront::start(name, upstream.to_owned()).await;
    (db, front)
}

#[tokio::test]
async fn verify_full_accepts_the_right_name_of_a_trusted_authority() {
    let (db, front) = front("localhost").await;
    let parameters = format!("sslmode=verify-full&sslrootcert={}", front.authority.display());
    front.pool(&db, "localhost", &parameters).unwrap().check().await.unwrap();
}

#[tokio::test]
async fn verify_full_refuses_another_name() {
    let (db, front) = front("db.example").await;
    let parameters = format!("sslmode=verify-full&sslrootcert={}", front.authority.display());
    let error = front.pool(&db, "localhost", &parameters).unwrap().check().await.unwrap_err();
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

#[tokio::test]
async fn verify_full_refuses_an_authority_nobody_knows() {
    let (db, front) = front("localhost").await;
    let error = front.pool(&db, "localhost", "sslmode=verify-full").unwrap().check().await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
}

#[tokio::test]
async fn require_encrypts_whoever_the_server_is() {
    let (db, front) = front("db.example").await;
    front.pool(&db, "localhost", "sslmode=require").unwrap().check().await.unwrap();
}

#[tokio::test]
async fn require_with_an_authority_demands_its_signature() {
    let (db, first) = front("db.example").await;
    let (_, second) = front("db.example").await;
    let right = format!("sslmode=require&sslrootcert={}", first.authority.display());
    first.pool(&db, "localhost", &right).unwrap().check().await.unwrap();
    let wrong = format!("sslmode=require&sslrootcert={}", second.authority.display());
    assert!(first.pool(&db, "localhost", &wrong).unwrap().check().await.is_err());
}

#[tokio::test]
async fn a_plain_login_to_a_server_that_wants_tls_fails() {
    let (db, front) = front("localhost").await;
    assert!(front.pool(&db, "localhost", "sslmode=disable").unwrap().check().await.is_err());
}

#[tokio::test]
async fn a_root_certificate_that_is_not_there_is_a_wrong_url() {
    let (db, front) = front("localhost").await;
    let error = front.pool(&db, "localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem").err().unwrap();
    assert!(matches!(&error, Error::Url(problem) if problem.contains("/nowhere.pem")), "{error:?}");
}
