use std::time::Duration;

use godwit_media::embedded_s3::{EmbeddedS3, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::s3::{S3Server, access, open};

const TTL: Duration = Duration::from_secs(60);

#[tokio::test]
async fn objects_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    let store = open(server.access());
    store.ensure_bucket().await.unwrap();
    let put = store.presign_put("ab/key", "text/plain", 4, TTL);
    let mut request = reqwest::Client::new().put(put.url).body("kept");
    for (name, value) in put.headers {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.stop().await;

    let server = S3Server::start(dir.path()).await;
    let url = open(server.access()).presign_get("ab/key", "text/plain", "inline", TTL);
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "kept");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _server = S3Server::start(dir.path()).await;
    let second = EmbeddedS3::bind(([127, 0, 0, 1], 0).into(), dir.path(), "key", "secret").await;
    assert!(matches!(second, Err(Error::InUse(_))));
}

#[tokio::test]
async fn whoever_has_no_signature_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    open(server.access()).ensure_bucket().await.unwrap();
    let base = format!("http://{}", server.address);
    for path in ["/", "/godwit-media/", "/godwit-media/ab/key", "/godwit-media/../../lock"] {
        assert_eq!(reqwest::get(format!("{base}{path}")).await.unwrap().status(), 403, "{path}");
    }
    let signed_by_another = access(server.address);
    let other =
        open(godwit_media::object_store::Access { access_key: Some("other".to_owned().into()), ..signed_by_another });
    assert!(other.check().await.is_err());
}

#[tokio::test]
async fn a_stopped_server_closes_idle_connections_and_answers_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    let address = server.address;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    server.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
