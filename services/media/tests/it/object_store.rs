use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{MediaId, SystemClock, SystemEntropy};
use godwit_media::object_store::{Access, ObjectHead, ObjectStore};
use godwit_media::workers;
use godwit_testkit::{env, eventually};
use tokio_util::sync::CancellationToken;

use crate::world::{S3Server, SOON, access, open, spawn};

const TTL: Duration = Duration::from_secs(60);

/// The S3 server of the tests' stack, with a bucket of this test's own.
fn stack() -> Access {
    let s3 = env::s3();
    Access {
        url: s3.url.parse().unwrap(),
        public_url: None,
        bucket: format!("godwit-{}", MediaId::generate(&SystemClock, &SystemEntropy)),
        region: "us-east-1".to_owned(),
        access_key: Some(s3.access_key.into()),
        secret_key: Some(s3.secret_key.into()),
    }
}

async fn put(store: &ObjectStore, key: &str, content_type: &str, bytes: &'static [u8]) -> u16 {
    let put = store.presign_put(key, content_type, u64::try_from(bytes.len()).unwrap(), TTL);
    let mut request = reqwest::Client::new().put(put.url).body(bytes);
    for (name, value) in put.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// What any S3 server must do for this service.
async fn conforms(store: &ObjectStore) {
    assert!(store.check().await.is_err());
    store.ensure_bucket().await.unwrap();
    store.ensure_bucket().await.unwrap();
    store.check().await.unwrap();

    let key = "ab/key";
    assert_eq!(store.head(key).await.unwrap(), None);
    store.delete(key).await.unwrap();
    assert_eq!(put(store, key, "audio/ogg; codecs=opus", b"bytes").await, 200);
    let head = ObjectHead { size_bytes: 5, content_type: Some("audio/ogg; codecs=opus".to_owned()) };
    assert_eq!(store.head(key).await.unwrap(), Some(head));
    assert_eq!(put(store, key, "audio/ogg; codecs=opus", b"other").await, 412);

    let http = reqwest::Client::new();
    let url = store.presign_get(key, "attachment; filename=\"a b.ogg\"", TTL);
    let answer = http.get(url.clone()).header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"a b.ogg\"");
    assert_eq!(&answer.bytes().await.unwrap()[..], b"yt");
    let forged = url.as_str().replace("a%20b.ogg", "c%20d.exe");
    assert_ne!(forged, url.as_str());
    assert_eq!(http.get(forged).send().await.unwrap().status(), 403);
    let short = store.presign_get(key, "inline", Duration::from_secs(1));
    eventually(SOON, async || http.get(short.clone()).send().await.unwrap().status() == 403).await;

    store.delete(key).await.unwrap();
    assert_eq!(store.head(key).await.unwrap(), None);
}

#[tokio::test]
async fn the_embedded_server_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    conforms(&open(server.access())).await;
}

#[tokio::test]
async fn the_server_of_the_stack_conforms() {
    conforms(&open(stack())).await;
}

#[tokio::test]
async fn addresses_for_clients_begin_with_the_public_url() {
    let public_url = Some("https://media.example.org/s3".parse().unwrap());
    let store = open(Access { public_url, ..access(([127, 0, 0, 1], 9).into()) });
    for url in [store.presign_put("ab/key", "image/png", 1, TTL).url, store.presign_get("ab/key", "inline", TTL)] {
        assert!(url.as_str().starts_with("https://media.example.org/s3/godwit-media/ab/key?"), "{url}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    let store = open(Access { secret_key: Some("wrong".to_owned().into()), ..server.access() });
    let error = store.ensure_bucket().await.unwrap_err();
    assert!(!error.is_unavailable());
    assert_eq!(error.to_string(), "PUT bucket: the object store answered 403 Forbidden SignatureDoesNotMatch");
}

#[tokio::test]
async fn the_bucket_is_made_as_soon_as_the_store_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(dir.path()).await;
    let (address, access) = (server.address, server.access());
    server.stop().await;
    let store = open(access);
    assert!(store.ensure_bucket().await.unwrap_err().is_unavailable());
    let stop = CancellationToken::new();
    let worker = spawn(workers::ensure_bucket(Arc::clone(&store), stop.clone()));
    let _server = S3Server::start_at(address, dir.path()).await;
    eventually(SOON, async || store.check().await).await;
    worker.await.unwrap().unwrap();
}
