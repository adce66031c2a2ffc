use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{MediaId, SystemClock, SystemEntropy};
use godwit_media::object_store::{Access, ObjectHead, ObjectStore};
use godwit_media::workers;
use godwit_testkit::{env, eventually};
use tokio_util::sync::CancellationToken;

use crate::s3::{S3Server, access, open, spawn};
use crate::world::SOON;

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
    let url = store.presign_get(key, "audio/ogg", "attachment; filename=\"a b.ogg\"", TTL);
    let answer = http.get(url.clone()).header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-type"], "audio/ogg");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"a b.ogg\"");
    assert_eq!(&answer.bytes().await.unwrap()[..], b"yt");
    let forged = url.as_str().replace("a%20b.ogg", "c%20d.exe");
    assert_ne!(forged, url.as_str());
    assert_eq!(http.get(forged).send().await.unwrap().status(), 403);
    let short = store.presign_get(key, "audio/ogg", "inline", Duration::from_secs(1));
    eventually(SOON, async || http.get(short.clone()).send().await.unwrap().status() == 403).await;

    store.delete(key).await.unwrap();
    assert_eq!(store.head(key).await.unwrap(), None);
    takes_whole_objects(store).await;
    takes_parts(store).await;
}

async fn takes_whole_objects(store: &ObjectStore) {
    assert!(store.get("ab/whole").await.unwrap().is_none());
    for text in ["first", "and another"] {
        store.put_bytes("ab/whole", "text/plain", text.as_bytes().to_vec()).await.unwrap();
        assert_eq!(read(store, "ab/whole").await, text.as_bytes());
    }
    let dir = tempfile::tempdir().unwrap();
    let bytes = vec![7; 3 << 20];
    std::fs::write(dir.path().join("file"), &bytes).unwrap();
    let file = tokio::fs::File::open(dir.path().join("file")).await.unwrap();
    store.put_file("ab/whole", "text/plain", file, 3 << 20).await.unwrap();
    assert_eq!(read(store, "ab/whole").await, bytes);
}

async fn takes_parts(store: &ObjectStore) {
    let key = "ab/parts";
    let upload_id = store.create_multipart(key, "video/mp4").await.unwrap();
    assert_eq!(store.list_parts(key, &upload_id).await.unwrap(), []);
    let (first, last) = (vec![1; 5 << 20], vec![2; 3]);
    let size_bytes = u64::try_from(first.len()).unwrap();
    // The first goes to its own address, with its size only; the last through this process, twice.
    let url = store.presign_part(key, &upload_id, 1, size_bytes, TTL);
    let http = reqwest::Client::new();
    assert_eq!(http.put(url.clone()).body(vec![1; 3]).send().await.unwrap().status(), 403);
    let answer = http.put(url).body(first.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    store.upload_part(key, &upload_id, 2, vec![9; 7].into()).await.unwrap();
    let etags = [etag, store.upload_part(key, &upload_id, 2, last.clone().into()).await.unwrap()];
    let listed = store.list_parts(key, &upload_id).await.unwrap();
    let sizes: Vec<_> = listed.iter().map(|part| (part.number, part.size_bytes)).collect();
    assert_eq!(sizes, [(1, size_bytes), (2, 3)]);
    assert!(store.head(key).await.unwrap().is_none());
    assert!(store.complete_multipart(key, &upload_id, &etags).await.unwrap());
    assert_eq!(read(store, key).await, [first, last].concat());
    assert!(!store.complete_multipart(key, &upload_id, &etags).await.unwrap());

    let upload_id = store.create_multipart(key, "video/mp4").await.unwrap();
    store.upload_part(key, &upload_id, 1, vec![1; 7].into()).await.unwrap();
    store.abort_multipart(key, &upload_id).await.unwrap();
    store.abort_multipart(key, &upload_id).await.unwrap();
    assert_eq!(store.list_parts(key, &upload_id).await.unwrap(), []);
}

async fn read(store: &ObjectStore, key: &str) -> Vec<u8> {
    let (mut object, mut bytes) = (store.get(key).await.unwrap().unwrap(), Vec::new());
    while let Some(piece) = object.next().await.unwrap() {
        bytes.extend(piece);
    }
    bytes
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
    for url in
        [store.presign_put("ab/key", "image/png", 1, TTL).url, store.presign_get("ab/key", "image/png", "inline", TTL)]
    {
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
