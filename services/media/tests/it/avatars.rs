use futures_util::future::join_all;
use godwit_contract::media::v1::{CreateUploadRequest, MediaKind, ThumbnailSize};
use godwit_rpc::{Caller, Failure};
use tonic::Code;

use crate::fixtures::png;
use crate::world::{World, id, person, text};

fn reason<T: std::fmt::Debug>(result: Result<T, Failure>) -> (Code, String) {
    let failure = result.unwrap_err();
    (failure.code, failure.reason)
}

fn not_found() -> (Code, String) {
    (Code::NotFound, "MEDIA_NOT_FOUND".to_owned())
}

/// Whether somebody gets both the record and an address of it.
async fn sees(world: &World, caller: Caller, media_id: &str) -> bool {
    let (record, address) = (world.get(caller, media_id).await, world.url(caller, media_id).await);
    assert_eq!(record.is_ok(), address.is_ok());
    if record.is_err() {
        assert_eq!((reason(record), reason(address)), (not_found(), not_found()));
        return false;
    }
    true
}

#[tokio::test]
async fn an_avatar_is_fetched_by_whoever_may_see_it() {
    let world = World::new().await;
    let media = world.picture(b"a face").await;
    assert!(!sees(&world, world.bob, &media.id).await);
    world.set_avatar(world.ada, &media.id).await.unwrap();
    let url = world.url(world.bob, &media.id).await.unwrap();
    assert!(
        image::load_from_memory(&world.fetch(&url).await).unwrap() == image::load_from_memory(&png(b"a face")).unwrap()
    );
    let small = world.thumbnail(world.bob, &media.id, ThumbnailSize::Square).await.unwrap();
    assert_eq!(image::load_from_memory(&world.fetch(&small).await).unwrap().width(), 12);
    assert_eq!(world.get(world.bob, &media.id).await.unwrap(), media);
    assert_eq!(reason(world.complete(world.bob, &media.id).await), not_found());
}

#[tokio::test]
async fn from_whom_it_is_hidden_for_them_it_does_not_exist_at_once() {
    let world = World::new().await;
    let media = world.picture(b"a face").await;
    world.set_avatar(world.ada, &media.id).await.unwrap();
    let (ada, bob) = (world.ada.user_id, world.bob.user_id);
    for name in ["PRIVACY", "BLOCKED", "USER_NOT_FOUND", "SOMETHING_NEW"] {
        world.auth.set_refusal(bob, ada, Some(name));
        assert!(!sees(&world, world.bob, &media.id).await, "{name}");
        assert!(sees(&world, world.ada, &media.id).await && sees(&world, person(), &media.id).await);
        world.auth.set_refusal(bob, ada, None);
        assert!(sees(&world, world.bob, &media.id).await);
    }
}

#[tokio::test]
async fn a_replaced_avatar_goes_back_to_its_owner() {
    let world = World::new().await;
    let (old, new) = (world.picture(b"young").await, world.picture(b"grown up").await);
    for _ in 0..2 {
        world.set_avatar(world.ada, &old.id).await.unwrap();
        assert!(sees(&world, world.bob, &old.id).await && !sees(&world, world.bob, &new.id).await);
        world.set_avatar(world.ada, &new.id).await.unwrap();
        assert!(!sees(&world, world.bob, &old.id).await && sees(&world, world.bob, &new.id).await);
    }
    world.set_avatar(world.ada, "").await.unwrap();
    world.set_avatar(world.ada, "").await.unwrap();
    for media in [&old, &new] {
        assert!(!sees(&world, world.bob, &media.id).await && sees(&world, world.ada, &media.id).await);
    }
}

#[tokio::test]
async fn of_many_at_once_one_becomes_the_avatar() {
    let world = World::new().await;
    let mut uploads = Vec::new();
    for number in 0..6_u8 {
        uploads.push(world.picture(&[number]).await.id);
    }
    for set in join_all(uploads.iter().map(|media_id| world.set_avatar(world.ada, media_id))).await {
        set.unwrap();
    }
    let seen = join_all(uploads.iter().map(|media_id| sees(&world, world.bob, media_id))).await;
    assert_eq!(seen.into_iter().filter(|seen| *seen).count(), 1);
}

#[tokio::test]
async fn only_a_finished_image_of_ones_own_becomes_an_avatar() {
    let world = World::new().await;
    let kept = world.picture(b"kept").await;
    world.set_avatar(world.ada, &kept.id).await.unwrap();
    let pending = id(&world.announce(b"x").await);
    for media_id in [pending.as_str(), "018f4a52-7d1b-7c3e-9a44-1f2e3d4c5b6a"] {
        assert_eq!(reason(world.set_avatar(world.ada, media_id).await), not_found());
    }
    assert_eq!(reason(world.set_avatar(world.bob, &kept.id).await), not_found());
    let as_document = CreateUploadRequest { kind: MediaKind::Document.into(), ..text(&png(b"x")) };
    let documents = [
        world.upload_as("image/svg+xml", b"<svg/>").await,
        world.upload_as("application/pdf", b"%PDF-1.7").await,
        world.upload_with(as_document, &png(b"x")).await,
    ];
    for media in documents {
        let refused = (Code::FailedPrecondition, "MEDIA_NOT_AN_IMAGE".to_owned());
        assert_eq!(reason(world.set_avatar(world.ada, &media.id).await), refused);
    }
    assert_eq!(reason(world.set_avatar(world.ada, "no-id").await).1, "INVALID_ARGUMENT");
    assert!(sees(&world, world.bob, &kept.id).await, "what was refused changes nothing");
}

#[tokio::test]
async fn while_auth_cannot_be_asked_others_see_no_avatar() {
    let world = World::new().await;
    let (avatar, private) = (world.picture(b"a face").await, world.picture(b"private").await);
    world.set_avatar(world.ada, &avatar.id).await.unwrap();
    world.auth.set_down(true);
    let away = (Code::Unavailable, "AUTH_SERVICE_UNAVAILABLE".to_owned());
    assert_eq!(reason(world.get(world.bob, &avatar.id).await), away);
    assert_eq!(reason(world.url(world.bob, &avatar.id).await), away);
    assert!(sees(&world, world.ada, &avatar.id).await);
    assert!(!sees(&world, world.bob, &private.id).await, "it is not asked about what is no avatar");
    assert_eq!(world.auth.checks(), 0);
}
