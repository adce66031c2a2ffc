//! Uploads in parts: to addresses of their own, and through the gateway.

use bytes::Bytes;
use godwit_contract::media::v1::media_service_server::MediaService as _;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalService as _;
use godwit_contract::media::v1::{
    AbortStreamRequest, AbortUploadRequest, BeginStreamRequest, CompleteUploadRequest, CreateUploadRequest,
    CreateUploadResponse, FinishStreamRequest, ListUploadPartsRequest, Media, MediaState, MediaUploadPart,
    PutStreamPartRequest,
};
use godwit_kernel::MediaId;
use godwit_media::domain::Object;
use godwit_rpc::{Caller, Failure};
use tonic::{Code, Request};

use crate::world::{UPLOAD_TTL, WIDE, World, failure, from, id, text};

const PART: usize = 8 << 20;

/// Bytes that differ everywhere, so that parts in a wrong order are seen.
fn large(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from((place / 7 + place % 251) % 256).unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> Bytes {
    use sha2::Digest as _;
    Bytes::copy_from_slice(&sha2::Sha256::digest(bytes))
}

async fn begin(world: &World, bytes: &[u8]) -> CreateUploadResponse {
    world.create(world.ada, CreateUploadRequest { in_parts: true, ..text(bytes) }).await.unwrap()
}

async fn list(world: &World, caller: Caller, media_id: &str, first: u32) -> Result<Vec<MediaUploadPart>, Failure> {
    let request = ListUploadPartsRequest { media_id: media_id.to_owned(), from: first, limit: 0 };
    Ok(world.grpc.list_upload_parts(from(caller, request)).await.map_err(failure)?.into_inner().parts)
}

async fn complete(world: &World, media_id: &str, part_etags: Vec<String>) -> Result<Media, Failure> {
    let request = CompleteUploadRequest { media_id: media_id.to_owned(), part_etags };
    Ok(world.grpc.complete_upload(from(world.ada, request)).await.map_err(failure)?.into_inner().media.unwrap())
}

async fn abort(world: &World, caller: Caller, media_id: &str) -> Result<(), Failure> {
    let request = AbortUploadRequest { media_id: media_id.to_owned() };
    world.grpc.abort_upload(from(caller, request)).await.map(drop).map_err(failure)
}

async fn put_part(world: &World, url: &str, bytes: &[u8]) -> String {
    let answer = world.http.put(url).body(bytes.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers()["etag"].to_str().unwrap().to_owned()
}

/// Nothing of it is in the object store.
async fn is_gone(world: &World, media_id: &str, upload_id: &str) -> bool {
    let key = Object::Upload.key(media_id.parse::<MediaId>().unwrap());
    let parts = world.objects.list_parts(&key, upload_id).await.unwrap();
    parts.is_empty() && world.objects.head(&key).await.unwrap().is_none()
}

async fn upload_id(world: &World, media_id: &str) -> String {
    let mut conn = world.app.pool.get().await.unwrap();
    let media = godwit_media::store::find(&mut conn, media_id.parse().unwrap()).await.unwrap();
    media.unwrap().upload_id.unwrap()
}

#[tokio::test]
async fn parts_at_addresses_of_their_own_become_one_file() {
    let world = World::new().await;
    let bytes = large(2 * PART + 77);
    let created = begin(&world, &bytes).await;
    assert_eq!((created.part_count, created.part_size_bytes, created.upload_url.as_str()), (3, 8 << 20, ""));
    let media_id = id(&created);
    let parts = list(&world, world.ada, &media_id, 0).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.size_bytes).collect::<Vec<_>>(), [8 << 20, 8 << 20, 77]);
    let mut etags = vec![String::new(); 3];
    // In any order, as clients do that send several at once; one that broke off goes on where it was.
    for number in [2, 0] {
        let part = &bytes[number * PART..bytes.len().min((number + 1) * PART)];
        etags[number] = put_part(&world, &parts[number].url, part).await;
    }
    let parts = list(&world, world.ada, &media_id, 1).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.is_uploaded).collect::<Vec<_>>(), [true, false, true]);
    let rest = list(&world, world.ada, &media_id, 2).await.unwrap();
    assert_eq!(rest.iter().map(|part| part.number).collect::<Vec<_>>(), [2, 3]);
    etags[1] = put_part(&world, &rest[0].url, &bytes[PART..2 * PART]).await;

    complete(&world, &media_id, etags).await.unwrap();
    let media = world.looked_at(&media_id).await;
    assert_eq!((media.state(), media.size_bytes), (MediaState::Ready, u64::try_from(bytes.len()).unwrap()));
    let url = world.url(world.ada, &media_id).await.unwrap();
    assert!(world.fetch(&url).await == bytes);
    let range = world.http.get(url).header("range", "bytes=8388600-8388615").send().await.unwrap();
    assert_eq!(range.status(), 206);
    assert_eq!(&range.bytes().await.unwrap()[..], &bytes[8_388_600..8_388_616]);
}

#[tokio::test]
async fn a_file_that_lacks_parts_is_rejected_and_leaves_nothing() {
    let world = World::new().await;
    let bytes = large(PART + 9);
    let created = begin(&world, &bytes).await;
    let (media_id, upload_id) = (id(&created), upload_id(&world, &id(&created)).await);
    let parts = list(&world, world.ada, &media_id, 0).await.unwrap();
    let etag = put_part(&world, &parts[1].url, &bytes[PART..]).await;
    let one_missing = complete(&world, &media_id, vec![etag.clone()]).await.unwrap_err();
    assert_eq!((one_missing.code, one_missing.fields[0].field.as_str()), (Code::InvalidArgument, "part_etags"));
    complete(&world, &media_id, vec![etag.clone(), etag]).await.unwrap();
    let media = world.looked_at(&media_id).await;
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "PARTS_MISSING"));
    assert!(is_gone(&world, &media_id, &upload_id).await);
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing_and_frees_its_room() {
    let world = World::with_quota(godwit_media::domain::Quota { pending_count: 1, ..WIDE }).await;
    let bytes = large(PART + 9);
    for is_forgotten in [false, true] {
        let created = begin(&world, &bytes).await;
        let (media_id, upload_id) = (id(&created), upload_id(&world, &id(&created)).await);
        let parts = list(&world, world.ada, &media_id, 0).await.unwrap();
        put_part(&world, &parts[0].url, &bytes[..PART]).await;
        assert_eq!(abort(&world, world.bob, &media_id).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
        if is_forgotten {
            world.clock.advance(UPLOAD_TTL);
            world.app.expire_uploads().await.unwrap();
        } else {
            abort(&world, world.ada, &media_id).await.unwrap();
        }
        assert!(is_gone(&world, &media_id, &upload_id).await);
        assert_eq!(list(&world, world.ada, &media_id, 0).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    }
    let whole = world.upload(b"words").await;
    assert_eq!(abort(&world, world.ada, &whole.id).await.unwrap_err().reason, "UPLOAD_COMPLETED");
    let whole = world.announce(b"words").await;
    assert_eq!(list(&world, world.ada, &id(&whole), 0).await.unwrap_err().reason, "UPLOAD_NOT_IN_PARTS");
}

/// What the gateway does for Ada.
async fn stream(world: &World, bytes: &[u8], max_bytes: u64) -> (String, Vec<String>) {
    let begin = BeginStreamRequest {
        user_id: world.ada.user_id.to_string(),
        file_name: "a.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        kind: 0,
        max_bytes,
    };
    let begun = world.streams.begin_stream(Request::new(begin)).await.unwrap().into_inner();
    let mut etags = Vec::new();
    for (place, part) in bytes.chunks(PART).enumerate() {
        let put = PutStreamPartRequest {
            user_id: world.ada.user_id.to_string(),
            media_id: begun.media_id.clone(),
            number: u32::try_from(place).unwrap() + 1,
            data: Bytes::copy_from_slice(part),
        };
        // Once more, as after an answer that was lost.
        world.streams.put_stream_part(Request::new(put.clone())).await.unwrap();
        etags.push(world.streams.put_stream_part(Request::new(put)).await.unwrap().into_inner().etag);
    }
    (begun.media_id, etags)
}

#[tokio::test]
async fn what_comes_through_the_gateway_is_a_file_of_its_real_size() {
    let world = World::new().await;
    let bytes = large(PART + 3);
    let size_bytes = u64::try_from(bytes.len()).unwrap();
    let (media_id, part_etags) = stream(&world, &bytes, size_bytes + 500).await;
    let finish = FinishStreamRequest {
        user_id: world.ada.user_id.to_string(),
        media_id: media_id.clone(),
        size_bytes,
        part_etags,
        sha256: sha256(&bytes),
    };
    for _ in 0..2 {
        let media =
            world.streams.finish_stream(Request::new(finish.clone())).await.unwrap().into_inner().media.unwrap();
        assert_ne!(media.state(), MediaState::Pending);
    }
    let media = world.looked_at(&media_id).await;
    assert_eq!((media.state(), media.size_bytes), (MediaState::Ready, size_bytes));
    assert!(world.fetch(&world.url(world.ada, &media_id).await.unwrap()).await == bytes);
}

#[tokio::test]
async fn what_the_store_keeps_must_be_what_came_through_the_gateway() {
    let world = World::new().await;
    let (media_id, part_etags) = stream(&world, b"words", 500).await;
    let upload_id = upload_id(&world, &media_id).await;
    let user_id = world.ada.user_id.to_string();
    let finish = FinishStreamRequest {
        user_id,
        media_id: media_id.clone(),
        size_bytes: 5,
        part_etags,
        sha256: sha256(b"other words"),
    };
    let no_checksum = FinishStreamRequest { sha256: Bytes::from_static(b"short"), ..finish.clone() };
    let refused = failure(world.streams.finish_stream(Request::new(no_checksum)).await.unwrap_err());
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, "sha256"));
    world.streams.finish_stream(Request::new(finish)).await.unwrap();
    let media = world.looked_at(&media_id).await;
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "CHECKSUM_MISMATCH"));
    world.app.collect_garbage().await.unwrap();
    assert!(is_gone(&world, &media_id, &upload_id).await);
}

#[tokio::test]
async fn what_the_gateway_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let bytes = large(PART + 3);
    let (media_id, _) = stream(&world, &bytes, 1 << 30).await;
    let upload_id = upload_id(&world, &media_id).await;
    let request = AbortStreamRequest { user_id: world.ada.user_id.to_string(), media_id: media_id.clone() };
    world.streams.abort_stream(Request::new(request)).await.unwrap();
    assert!(is_gone(&world, &media_id, &upload_id).await);
    assert_eq!(world.get(world.ada, &media_id).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
}

#[tokio::test]
async fn more_than_announced_is_refused_while_it_comes() {
    let world = World::new().await;
    let (media_id, _) = stream(&world, b"1234", 4).await;
    let put = |user_id: String, number, data: &'static [u8]| PutStreamPartRequest {
        user_id,
        media_id: media_id.clone(),
        number,
        data: Bytes::from_static(data),
    };
    let ada = world.ada.user_id.to_string();
    for (request, reason) in [
        (put(ada.clone(), 1, b"12345"), "UPLOAD_SIZE_MISMATCH"),
        (put(ada.clone(), 2, b"1"), "UPLOAD_SIZE_MISMATCH"),
        (put(ada.clone(), 0, b"1"), "INVALID_ARGUMENT"),
        (put(ada, 1, b""), "INVALID_ARGUMENT"),
        (put(world.bob.user_id.to_string(), 1, b"1"), "MEDIA_NOT_FOUND"),
    ] {
        let refused = failure(world.streams.put_stream_part(Request::new(request)).await.unwrap_err());
        assert_eq!(refused.reason, reason);
    }
}
