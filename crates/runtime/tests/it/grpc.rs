use std::path::Path;
use std::time::Duration;

use godwit_rpc::{Directory, LocalRoutes, Target};
use godwit_testkit::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::fixture::WAIT;
use crate::process::Fixture;

fn directory(address: &str) -> Directory {
    Directory::new(LocalRoutes::new(), []).with_remote(Target::Push, &[format!("http://{address}")]).unwrap()
}

async fn health(directory: &Directory, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(directory.channel(Target::Push)).check(request).await?;
    Ok(answer.into_inner().status())
}

/// Calls the method whose answer the fixture holds back.
async fn ask(directory: &Directory) -> Result<(), tonic::Status> {
    let mut client = tonic::client::Grpc::new(directory.channel(Target::Push));
    client.ready().await?;
    let mut request = tonic::Request::new(());
    request.set_timeout(Duration::from_secs(30));
    client
        .unary(request, WAIT.parse().unwrap(), empty_codec())
        .await
        .map(|answer: tonic::Response<()>| answer.into_inner())
}

/// A codec of empty messages.
fn empty_codec() -> tonic_prost::ProstCodec<(), ()> {
    tonic_prost::ProstCodec::default()
}

/// Makes one call, and with it a span.
pub async fn call_health(fixture: &Fixture) {
    health(&directory(&fixture.grpc_address().await), "").await.unwrap();
}

#[tokio::test]
async fn services_answer_health_checks() {
    let fixture = Fixture::ready(&[]).await;
    let directory = directory(&fixture.grpc_address().await);
    assert_eq!(health(&directory, "").await.unwrap(), ServingStatus::Serving);
    assert_eq!(health(&directory, "godwit.push.v1.PushService").await.unwrap(), ServingStatus::Serving);
    assert_eq!(health(&directory, "godwit.unknown").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_call_in_flight_is_answered_during_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let answer = folder.path().join("answer");
    let fixture = Fixture::ready(&[("FIXTURE_ANSWER", answer.to_str().unwrap())]).await;
    let directory = directory(&fixture.grpc_address().await);
    let call = ask(&directory);
    let drain = async {
        fixture.wait_for_log("asked").await;
        fixture.signal("TERM").await;
        fixture.wait_for_log("the edge stops").await;
        std::fs::write(&answer, "").unwrap();
    };
    let (answered, ()) = tokio::join!(call, drain);
    answered.unwrap();
    assert_eq!(fixture.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_call_that_never_ends_is_cut_off() {
    let fixture = Fixture::ready(&[("FIXTURE_ANSWER", "/nowhere"), ("GODWIT_SHUTDOWN_GRACE_SECS", "1")]).await;
    let directory = directory(&fixture.grpc_address().await);
    let drain = async {
        fixture.wait_for_log("asked").await;
        fixture.signal("TERM").await;
    };
    let (answered, ()) = tokio::join!(ask(&directory), drain);
    assert!(answered.is_err());
    let (status, log) = fixture.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().any(|line| line.contains("cut off") && line.contains("worker")), "{log:#?}");
}

/// An authority, and one certificate that it signed, as files.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        for (name, pem) in [("ca.pem", issuer.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())] {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn authority(&self) -> Certificate {
        Certificate::from_pem(read(self.path("ca.pem")))
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(read(self.path("cert.pem")), read(self.path("key.pem")))
    }
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn with_certificates_only_a_process_of_the_same_authority_is_answered() {
    let pki = Pki::new();
    let (cert, key, ca) = (pki.path("cert.pem"), pki.path("key.pem"), pki.path("ca.pem"));
    let fixture =
        Fixture::ready(&[("GODWIT_GRPC_TLS_CERT", &cert), ("GODWIT_GRPC_TLS_KEY", &key), ("GODWIT_GRPC_TLS_CA", &ca)])
            .await;
    let address = fixture.grpc_address().await;
    let url = format!("https://localhost:{}", address.rsplit(':').next().unwrap());
    let called_with = async |tls: ClientTlsConfig| {
        let directory = Directory::new(LocalRoutes::new(), []).with_tls(tls);
        let directory = directory.with_remote(Target::Push, std::slice::from_ref(&url)).unwrap();
        health(&directory, "").await
    };
    let base = ClientTlsConfig::new().ca_certificate(pki.authority());
    assert_eq!(called_with(base.clone().identity(pki.identity())).await.unwrap(), ServingStatus::Serving);
    assert!(called_with(base.clone()).await.is_err(), "without a certificate");
    assert!(called_with(base.identity(Pki::new().identity())).await.is_err(), "of another authority");
    assert!(health(&directory(&address), "").await.is_err(), "without TLS");
    eventually(Duration::from_secs(10), || async { fixture.admin("/health/ready").await.0 == 200 }).await;
}
