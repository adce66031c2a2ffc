use std::sync::Arc;
use std::time::Duration;

use godwit_contract::media::v1::MediaState;
use godwit_kernel::MediaId;
use godwit_media::domain::{MessageMedia, Object};
use godwit_media::workers;
use godwit_testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::s3::spawn;
use crate::world::{SOON, UNUSED_TTL, UPLOAD_TTL, World, id, object_key};

#[tokio::test]
async fn an_abandoned_upload_is_removed_with_its_object() {
    let world = World::new().await;
    let ready = world.upload(b"kept").await;
    let abandoned = world.announce(b"abandoned").await;
    world.put(&abandoned, b"abandoned").await;
    let never_put = id(&world.announce(b"x").await);
    let stop = CancellationToken::new();
    let worker = spawn(workers::expire_uploads(Arc::clone(&world.app), Duration::from_millis(20), stop.clone()));

    world.clock.advance(UPLOAD_TTL - Duration::from_secs(1));
    assert!(!world.app.expire_uploads().await.unwrap());
    assert_eq!(world.get(world.ada, &id(&abandoned)).await.unwrap().state(), MediaState::Pending);

    world.clock.advance(Duration::from_secs(1));
    for media_id in [id(&abandoned), never_put] {
        assert_eq!(world.get(world.ada, &media_id).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    }
    eventually(SOON, async || world.objects.head(&object_key(&id(&abandoned))).await.unwrap().is_none()).await;
    eventually(SOON, async || {
        // Once the record is gone, too, it is not even known to have expired.
        world.complete(world.ada, &id(&abandoned)).await.unwrap_err().reason == "MEDIA_NOT_FOUND"
    })
    .await;
    stop.cancel();
    worker.await.unwrap().unwrap();

    assert_eq!(world.get(world.ada, &ready.id).await.unwrap().state(), MediaState::Ready);
    assert!(world.objects.head(&object_key(&ready.id)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_upload_cannot_be_completed_too_late() {
    let world = World::new().await;
    let created = world.announce(b"late").await;
    world.put(&created, b"late").await;
    world.clock.advance(UPLOAD_TTL);
    let failure = world.complete(world.ada, &id(&created)).await.unwrap_err();
    assert_eq!(failure.reason, "UPLOAD_EXPIRED");
}

#[tokio::test]
async fn nothing_is_forgotten_while_the_store_is_down() {
    let world = World::new().await;
    let created = world.announce(b"orphan").await;
    world.put(&created, b"orphan").await;
    world.clock.advance(UPLOAD_TTL);
    assert!(world.app_without_store().expire_uploads().await.is_err());
    // Given up, but its object is still there, and so is the record that says so.
    assert_eq!(world.complete(world.ada, &id(&created)).await.unwrap_err().reason, "UPLOAD_EXPIRED");
    assert!(world.objects.head(&object_key(&id(&created))).await.unwrap().is_some());
    world.app.expire_uploads().await.unwrap();
    assert!(world.objects.head(&object_key(&id(&created))).await.unwrap().is_none());
    assert_eq!(world.complete(world.ada, &id(&created)).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
}

#[tokio::test]
async fn what_nothing_refers_to_is_removed_with_all_that_was_made_of_it() {
    let world = World::new().await;
    let (sent, avatar, unused) = (world.picture(b"1").await, world.picture(b"2").await, world.picture(b"3").await);
    let described = world.picture(b"4").await;
    world.set_avatar(world.ada, &avatar.id).await.unwrap();
    world.describe(world.ada, &[&described.id]).await.unwrap();
    let chat_id = world.chats.chat_of(&[world.bob.user_id]);
    let carried = |version, media: Vec<MediaId>| MessageMedia::new(chat_id, 1, version, media);
    world.app.follow_messages(&[carried(1, vec![sent.id.parse().unwrap()])]).await.unwrap();

    world.clock.advance(UNUSED_TTL);
    world.app.expire_uploads().await.unwrap();
    assert_eq!(world.get(world.ada, &unused.id).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    assert_eq!(kept_objects(&world, &unused.id).await, 0);
    for media in [&sent, &avatar, &described] {
        assert_eq!(world.get(world.ada, &media.id).await.unwrap().state(), MediaState::Ready);
        assert!(kept_objects(&world, &media.id).await >= 5);
    }
    // The message is deleted, and another avatar is shown: a week later both are gone.
    world.app.follow_messages(&[carried(2, vec![])]).await.unwrap();
    world.set_avatar(world.ada, "").await.unwrap();
    world.clock.advance(UNUSED_TTL - Duration::from_secs(1));
    world.app.expire_uploads().await.unwrap();
    for media in [&sent, &avatar] {
        assert!(kept_objects(&world, &media.id).await >= 5);
    }
    world.clock.advance(Duration::from_secs(1));
    world.app.expire_uploads().await.unwrap();
    for media in [&sent, &avatar] {
        assert_eq!(kept_objects(&world, &media.id).await, 0);
    }
    assert_eq!(world.get(world.ada, &described.id).await.unwrap().state(), MediaState::Ready);
}

/// How many objects of an upload the store has.
async fn kept_objects(world: &World, media_id: &str) -> usize {
    let id: MediaId = media_id.parse().unwrap();
    let mut count = 0;
    for object in Object::DERIVED.into_iter().chain([Object::Upload]) {
        count += usize::from(world.objects.head(&object.key(id)).await.unwrap().is_some());
    }
    count
}
