use futures_util::future::join_all;
use godwit_contract::media::v1::{CreateUploadRequest, MediaKind, MediaScan, MediaState};
use godwit_media::app::CompleteUpload;
use godwit_media::domain::Quota;
use godwit_rpc::Failure;
use tonic::Code;

use crate::fixtures::png;
use crate::world::{WIDE, World, id, object_key, text};

fn reason<T: std::fmt::Debug>(result: Result<T, Failure>) -> (Code, String) {
    let failure = result.unwrap_err();
    (failure.code, failure.reason)
}

#[tokio::test]
async fn what_was_uploaded_can_be_fetched_under_its_name() {
    let world = World::new().await;
    let bytes = png(b"a cat");
    let request =
        CreateUploadRequest {
            file_name: "Кот.png".to_owned(), content_type: "image/jpeg".to_owned(), ..text(&bytes)
        };
    let created = world.create(world.ada, request).await.unwrap();
    assert_eq!(created.media.as_ref().unwrap().state(), MediaState::Pending);
    assert_eq!(world.put(&created, &bytes).await, 200);
    world.complete(world.ada, &id(&created)).await.unwrap();
    let media = world.looked_at(&id(&created)).await;
    assert_eq!(
        (media.state(), media.kind(), media.scan()),
        (MediaState::Ready, MediaKind::Image, MediaScan::Unscanned)
    );
    // The bytes are believed, not the client.
    assert_eq!((media.content_type.as_str(), media.file_name.as_str()), ("image/png", "Кот.png"));

    let url = world.url(world.ada, &media.id).await.unwrap();
    let answer = world.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(
        answer.headers()["content-disposition"],
        "inline; filename=\"___.png\"; filename*=UTF-8''%D0%9A%D0%BE%D1%82.png"
    );
    let fetched = answer.bytes().await.unwrap();
    assert_eq!(media.size_bytes, u64::try_from(fetched.len()).unwrap());
    assert!(image::load_from_memory(&fetched).unwrap() == image::load_from_memory(&bytes).unwrap());
}

#[tokio::test]
async fn completing_again_gives_the_same_answer() {
    let world = World::new().await;
    let media = world.upload(b"x").await;
    assert_eq!(world.complete(world.ada, &media.id).await.unwrap(), media);
    assert_eq!(world.get(world.ada, &media.id).await.unwrap(), media);
    // Also when everybody asks at once.
    let created = world.announce(b"y").await;
    world.put(&created, b"y").await;
    let answers =
        join_all((0..8).map(|_| world.complete(world.ada, created.media.as_ref().unwrap().id.as_str()))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().state() != MediaState::Pending));
    assert_eq!(world.looked_at(&id(&created)).await.state(), MediaState::Ready);
}

#[tokio::test]
async fn an_upload_without_an_object_is_not_complete() {
    let world = World::new().await;
    let media_id = id(&world.announce(b"x").await);
    let missing = (Code::FailedPrecondition, "UPLOAD_MISSING".to_owned());
    assert_eq!(reason(world.complete(world.ada, &media_id).await), missing);
    assert_eq!(reason(world.url(world.ada, &media_id).await).1, "MEDIA_NOT_READY");
    assert_eq!(world.get(world.ada, &media_id).await.unwrap().state(), MediaState::Pending);
}

#[tokio::test]
async fn the_address_takes_only_what_was_announced() {
    let world = World::new().await;
    let mut created = world.announce(b"four").await;
    created.upload_headers.insert("content-length".to_owned(), "5".to_owned());
    assert_eq!(world.put(&created, b"fives").await, 403);
    let mut created = world.announce(b"four").await;
    created.upload_headers.insert("content-type".to_owned(), "text/html".to_owned());
    assert_eq!(world.put(&created, b"four").await, 403);
    assert_eq!(reason(world.complete(world.ada, &id(&created)).await).1, "UPLOAD_MISSING");
}

#[tokio::test]
async fn an_object_cannot_be_replaced_through_its_address() {
    let world = World::new().await;
    let created = world.announce(b"good").await;
    assert_eq!(world.put(&created, b"good").await, 200);
    world.complete(world.ada, &id(&created)).await.unwrap();
    assert_eq!(world.put(&created, b"evil").await, 412);
    assert_eq!(world.looked_at(&id(&created)).await.state(), MediaState::Ready);
    let url = world.url(world.ada, &id(&created)).await.unwrap();
    assert_eq!(&world.http.get(url).send().await.unwrap().bytes().await.unwrap()[..], b"good");
}

#[tokio::test]
async fn another_object_than_the_announced_one_is_refused() {
    let world = World::new().await;
    let media = world.announce(b"four").await.media.unwrap();
    world.put_anything(&media, "text/plain", b"fives").await;
    let failure = world.complete(world.ada, &media.id).await.unwrap_err();
    assert_eq!((failure.code, failure.reason.as_str()), (Code::FailedPrecondition, "UPLOAD_SIZE_MISMATCH"));
    assert!(failure.detail.contains("5 bytes, 4 were announced"), "{}", failure.detail);

    let media = world.announce(b"four").await.media.unwrap();
    world.put_anything(&media, "text/html", b"four").await;
    assert_eq!(reason(world.complete(world.ada, &media.id).await).1, "UPLOAD_CONTENT_TYPE_MISMATCH");
    assert_eq!(world.get(world.ada, &media.id).await.unwrap().state(), MediaState::Pending);
}

#[tokio::test]
async fn for_everybody_but_the_uploader_it_does_not_exist() {
    let world = World::new().await;
    let media = world.upload(b"private").await;
    let pending = id(&world.announce(b"x").await);
    let not_found = (Code::NotFound, "MEDIA_NOT_FOUND".to_owned());
    for media_id in [media.id, pending, "018f4a52-7d1b-7c3e-9a44-1f2e3d4c5b6a".to_owned()] {
        assert_eq!(reason(world.get(world.bob, &media_id).await), not_found);
        assert_eq!(reason(world.url(world.bob, &media_id).await), not_found);
        assert_eq!(reason(world.complete(world.bob, &media_id).await), not_found);
    }
}

#[tokio::test]
async fn what_breaks_a_limit_is_refused_with_its_field() {
    let world = World::new().await;
    let good = text(b"x");
    let long_name = "x".repeat(256);
    for (request, field) in [
        (CreateUploadRequest { file_name: String::new(), ..good.clone() }, "file_name"),
        (CreateUploadRequest { file_name: long_name, ..good.clone() }, "file_name"),
        (CreateUploadRequest { file_name: "../../etc/passwd".to_owned(), ..good.clone() }, "file_name"),
        (CreateUploadRequest { content_type: "picture".to_owned(), ..good.clone() }, "content_type"),
        (CreateUploadRequest { content_type: "a/b\r\nx-evil: 1".to_owned(), ..good.clone() }, "content_type"),
        (CreateUploadRequest { size_bytes: 0, ..good.clone() }, "size_bytes"),
        (CreateUploadRequest { size_bytes: (2 << 30) + 1, ..good.clone() }, "size_bytes"),
        (
            CreateUploadRequest { size_bytes: (32 << 20) + 1, kind: MediaKind::Image.into(), ..good.clone() },
            "size_bytes",
        ),
        (CreateUploadRequest { sha256: vec![1; 31].into(), ..good.clone() }, "sha256"),
        (CreateUploadRequest { kind: 77, ..good.clone() }, "kind"),
    ] {
        let failure = world.create(world.ada, request).await.unwrap_err();
        assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
        assert_eq!(failure.fields[0].field, field);
    }
    assert_eq!(reason(world.get(world.ada, "no-id").await).1, "INVALID_ARGUMENT");
    assert!(world.create(world.ada, CreateUploadRequest { size_bytes: 2 << 30, ..good }).await.is_ok());
}

#[tokio::test]
async fn incomplete_uploads_are_counted_against_a_quota() {
    let world = World::with_quota(Quota { pending_count: 3, pending_bytes: 2 << 30, ..WIDE }).await;
    // All at once: exactly as many as the quota.
    let answers = join_all((0..10).map(|_| world.create(world.ada, text(b"x")))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    let exceeded = (Code::ResourceExhausted, "UPLOAD_QUOTA_EXCEEDED".to_owned());
    let failure = world.create(world.ada, text(b"x")).await.unwrap_err();
    assert_eq!(failure.detail, "no room for this upload: 0 incomplete uploads are left");
    assert_eq!((failure.code, failure.reason), exceeded);
    // Another person has a quota of their own, and it bounds bytes, too.
    world.create(world.bob, CreateUploadRequest { size_bytes: 2 << 30, ..text(b"x") }).await.unwrap();
    assert_eq!(reason(world.create(world.bob, text(b"x")).await), exceeded);
    // A complete upload counts no more.
    let created = answers.into_iter().find_map(Result::ok).unwrap();
    world.put(&created, b"x").await;
    world.complete(world.ada, &id(&created)).await.unwrap();
    assert!(world.create(world.ada, text(b"x")).await.is_ok());
}

#[tokio::test]
async fn while_the_store_is_down_uploads_fail_with_a_clear_error() {
    let world = World::new().await;
    let created = world.announce(b"x").await;
    let media_id = id(&created).parse().unwrap();
    let app = world.app_without_store();
    let request = CompleteUpload { caller: world.ada.user_id, id: media_id, part_etags: Vec::new() };
    let error = app.complete_upload(request).await.unwrap_err();
    assert_eq!(reason::<()>(Err(Failure::from_status(&godwit_rpc::to_status(error)))), {
        (Code::Unavailable, "OBJECT_STORE_UNAVAILABLE".to_owned())
    });
    // When it is back, the same call succeeds.
    world.put(&created, b"x").await;
    world.complete(world.ada, &id(&created)).await.unwrap();
    assert_eq!(world.looked_at(&id(&created)).await.state(), MediaState::Ready);
    assert!(world.objects.head(&object_key(&id(&created))).await.unwrap().is_some());
}
