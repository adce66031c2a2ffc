use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::media::v1::CreateUploadRequest;
use godwit_media::domain::Quota;
use tonic::Code;

use crate::world::{UNUSED_TTL, UPLOAD_TTL, WIDE, World, id, text};

#[tokio::test]
async fn a_day_has_room_for_so_many_files_and_bytes() {
    let world = World::with_quota(Quota { daily_count: 3, daily_bytes: 100, ..WIDE }).await;
    world.upload(&[b'a'; 60]).await;
    let refused = world.create(world.ada, text(&[0; 41])).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "UPLOAD_QUOTA_EXCEEDED"));
    assert_eq!(refused.detail, "no room for this upload: 40 bytes within 24 hours are left");
    world.upload(b"b").await;
    world.upload(b"c").await;
    let refused = world.create(world.ada, text(b"d")).await.unwrap_err();
    assert_eq!(refused.detail, "no room for this upload: 0 uploads within 24 hours are left");
    assert!(world.create(world.bob, text(b"d")).await.is_ok(), "each has their own");
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert!(world.create(world.ada, text(b"d")).await.is_ok());
}

#[tokio::test]
async fn all_that_is_kept_counts_until_it_is_removed() {
    let world = World::with_quota(Quota { total_bytes: 100, ..WIDE }).await;
    world.upload(&[b'a'; 60]).await;
    let refused = world.create(world.ada, text(&[0; 41])).await.unwrap_err();
    assert_eq!(refused.detail, "no room for this upload: 40 bytes in all are left");
    world.clock.advance(UNUSED_TTL);
    world.app.expire_uploads().await.unwrap();
    assert!(world.create(world.ada, text(&[0; 100])).await.is_ok());
}

#[tokio::test]
async fn of_many_at_once_as_many_begin_as_there_is_room_for() {
    let world = World::with_quota(Quota { daily_bytes: 50, ..WIDE }).await;
    let in_parts = |bytes: &[u8]| CreateUploadRequest { in_parts: true, ..text(bytes) };
    let answers = join_all((0..10).map(|number| {
        let request = if number % 2 == 0 { text(&[0; 10]) } else { in_parts(&[0; 10]) };
        world.create(world.ada, request)
    }));
    let begun: Vec<_> = answers.await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(begun.len(), 5);
    world.clock.advance(UPLOAD_TTL);
    world.app.expire_uploads().await.unwrap();
    for created in begun {
        assert_eq!(world.get(world.ada, &id(&created)).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    }
}
