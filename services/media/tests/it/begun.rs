//! Uploads in parts that a process began at the object store and did not live to note.

use godwit_contract::media::v1::CreateUploadRequest;
use godwit_kernel::MediaId;
use godwit_media::app::{App, CreateUpload, CreatedUpload, Delivery};
use godwit_media::domain::{ContentType, FileName, Kind};
use godwit_testkit::eventually;

use crate::s3_stub::{Reply, S3Stub, error, reply};
use crate::world::{SOON, UPLOAD_TTL, WIDE, World, id, text};

const BEGUN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>godwit-media</Bucket><Key>k</Key><UploadId>noted</UploadId></InitiateMultipartUploadResult>";
const RECORDS: &str = "SELECT count(*) FROM media.media";

fn in_parts(world: &World) -> CreateUpload {
    CreateUpload {
        owner_id: world.ada.user_id,
        file_name: FileName::parse("a.bin".to_owned()).unwrap(),
        content_type: ContentType::parse("application/octet-stream").unwrap(),
        kind: Kind::Document,
        size_bytes: 9 << 20,
        sha256: None,
        delivery: Delivery::InParts,
    }
}

async fn begin(world: &World, app: &App) -> Result<CreatedUpload, godwit_media::Error> {
    app.create_upload(in_parts(world)).await
}

/// The key that the store was asked to begin an upload for.
fn begun_key(s3: &S3Stub) -> String {
    let line = s3.lines().into_iter().find(|line| line.starts_with("POST ")).unwrap();
    line.strip_prefix("POST /godwit-media/").unwrap().split('?').next().unwrap().to_owned()
}

/// What a store tells of two uploads of this key, and of one of another.
fn list(key: &str) -> Reply {
    let upload = |key: &str, id: &str| format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>");
    let uploads = [upload(key, "lost-1"), upload(key, "lost-2"), upload("other/key", "of-another")].concat();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListMultipartUploadsResult>\
         <Bucket>godwit-media</Bucket><IsTruncated>false</IsTruncated>{uploads}</ListMultipartUploadsResult>"
    );
    reply(200, &[("content-type", "application/xml")], &body)
}

/// The ids of the uploads that the store was asked to give up.
fn given_up(s3: &S3Stub, key: &str) -> Vec<String> {
    let prefix = format!("DELETE /godwit-media/{key}?uploadId=");
    s3.lines().iter().filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned())).collect()
}

#[tokio::test]
async fn what_a_process_began_and_died_is_given_up_at_the_store() {
    let world = World::without_workers(WIDE).await;
    let s3 = S3Stub::start([Reply::Nothing]).await;
    let app = world.app_with(s3.store());
    tokio::select! {
        _ = begin(&world, &app) => panic!("the store does not answer"),
        () = eventually(SOON, async || s3.asked().len() == 1) => {}
    }
    let key = begun_key(&s3);
    assert_eq!(world.count(RECORDS).await, 1, "what the store is asked to begin is on record before");
    assert!(!app.expire_uploads().await.unwrap());
    assert_eq!(given_up(&s3, &key), Vec::<String>::new());

    world.clock.advance(UPLOAD_TTL);
    s3.say([list(&key)]);
    app.expire_uploads().await.unwrap();
    assert!(s3.lines().contains(&format!("GET /godwit-media/?prefix={}&uploads=", key.replace('/', "%2F"))));
    assert_eq!(given_up(&s3, &key), ["lost-1", "lost-2"]);
    assert_eq!(world.count(RECORDS).await, 0);
}

#[tokio::test]
async fn what_a_store_may_have_begun_is_given_up_when_its_request_is_void() {
    let world = World::without_workers(WIDE).await;
    let s3 = S3Stub::start([error(504, "GatewayTimeout")]).await;
    let app = world.app_with(s3.store());
    assert!(begin(&world, &app).await.is_err());
    assert_eq!(s3.asked().len(), 1, "begun twice, it would be there twice");
    let key = begun_key(&s3);
    app.expire_uploads().await.unwrap();
    assert_eq!((given_up(&s3, &key).len(), world.count(RECORDS).await), (0, 1));
    world.clock.advance(std::time::Duration::from_secs(120));
    s3.say([list(&key)]);
    app.expire_uploads().await.unwrap();
    assert_eq!(given_up(&s3, &key), ["lost-1", "lost-2"]);
    assert_eq!(world.count(RECORDS).await, 0);
}

#[tokio::test]
async fn what_a_store_does_not_begin_takes_no_room() {
    let world = World::without_workers(WIDE).await;
    let s3 = S3Stub::start([error(403, "AccessDenied")]).await;
    assert!(begin(&world, &world.app_with(s3.store())).await.is_err());
    assert!(begin(&world, &world.app_without_store()).await.is_err());
    assert_eq!(world.count(RECORDS).await, 0);
}

#[tokio::test]
async fn a_store_that_is_too_busy_to_begin_is_asked_again() {
    let world = World::without_workers(WIDE).await;
    let s3 = S3Stub::start([error(503, "SlowDown"), reply(200, &[], BEGUN)]).await;
    let created = begin(&world, &world.app_with(s3.store())).await.unwrap();
    assert_eq!((created.media.upload_id.as_deref(), created.part_count), (Some("noted"), 2));
    assert_eq!(s3.asked().len(), 2);
}

#[tokio::test]
async fn an_upload_whose_begin_is_not_noted_takes_no_parts() {
    let world = World::without_workers(WIDE).await;
    let created = world.create(world.ada, CreateUploadRequest { in_parts: true, ..text(b"words") }).await.unwrap();
    world.execute("UPDATE media.media SET upload_id = NULL").await;
    let media_id: MediaId = id(&created).parse().unwrap();
    let put = world.app.put_part(world.ada.user_id, media_id, 1, bytes::Bytes::from_static(b"words")).await;
    assert!(matches!(put, Err(godwit_media::Error::NotInParts)));
}
