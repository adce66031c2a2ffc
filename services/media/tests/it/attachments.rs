use godwit_contract::v1::Attachment;
use tonic::Code;

use crate::world::{World, id, person};

#[tokio::test]
async fn finished_uploads_are_described_in_the_order_they_are_asked_for() {
    let world = World::new().await;
    let (one, other) = (world.upload(b"one").await, world.upload_as("application/pdf", b"%PDF-1.7 other").await);
    let described = world.describe(world.ada, &[&other.id, &one.id]).await.unwrap();
    let expected =
        [(&other, "application/pdf", 14), (&one, "text/plain", 3)].map(|(media, content_type, size_bytes)| {
            let (media_id, file_name) = (media.id.clone(), "Кот.txt".to_owned());
            Attachment { media_id, file_name, content_type: content_type.to_owned(), size_bytes }
        });
    assert_eq!(described, expected);
    assert_eq!(world.describe(world.ada, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn only_finished_uploads_of_the_sender_are_described() {
    let world = World::new().await;
    let (mine, pending) = (world.upload(b"mine").await, id(&world.announce(b"x").await));
    let unknown = person().user_id.to_string();
    for (sender, media_ids) in [
        (world.ada, vec![mine.id.as_str(), pending.as_str()]),
        (world.ada, vec![unknown.as_str()]),
        (world.bob, vec![mine.id.as_str()]),
    ] {
        let refused = world.describe(sender, &media_ids).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "MEDIA_NOT_FOUND"));
        assert_eq!(refused.fields[0].field, "media_ids");
    }
}

#[tokio::test]
async fn what_is_no_list_of_ids_is_refused() {
    let world = World::new().await;
    let mine = world.upload(b"mine").await;
    for media_ids in [vec!["no-id"], vec![""], vec![mine.id.as_str(); 11]] {
        let refused = world.describe(world.ada, &media_ids).await.unwrap_err();
        assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, "media_ids"));
    }
    assert_eq!(world.describe(world.ada, &[mine.id.as_str(); 10]).await.unwrap().len(), 10);
}
