use godwit_contract::media::v1::{CreateUploadRequest, MediaKind};
use godwit_contract::v1::{Attachment, AttachmentKind};
use tonic::Code;

use crate::fixtures::voice;
use crate::world::{World, id, person, text};

#[tokio::test]
async fn finished_uploads_are_described_in_the_order_they_are_asked_for() {
    let world = World::new().await;
    let (one, other) = (world.upload(b"one").await, world.upload_as("application/pdf", b"%PDF-1.7 other").await);
    let described = world.describe(world.ada, &[&other.id, &one.id]).await.unwrap();
    let expected =
        [(&other, "application/pdf", 14), (&one, "text/plain", 3)].map(|(media, content_type, size_bytes)| {
            let (media_id, file_name) = (media.id.clone(), "Кот.txt".to_owned());
            let (content_type, kind) = (content_type.to_owned(), AttachmentKind::Document.into());
            Attachment { media_id, file_name, content_type, size_bytes, kind, ..Attachment::default() }
        });
    assert_eq!(described, expected);
    assert_eq!(world.describe(world.ada, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_seen_and_heard_is_described_for_clients_to_lay_it_out() {
    let world = World::new().await;
    let picture = world.picture(b"a cat").await;
    let bytes = voice("ogg");
    let request = CreateUploadRequest { kind: MediaKind::Voice.into(), ..text(&bytes) };
    let voice = world.upload_with(request, &bytes).await;
    let described = world.describe(world.ada, &[&picture.id, &voice.id]).await.unwrap();
    let [seen, heard] = &described[..] else { panic!("{described:?}") };
    assert_eq!((seen.kind(), seen.width, seen.height, seen.has_thumbnails), (AttachmentKind::Image, 16, 12, true));
    assert_eq!((&seen.blurhash, seen.blurhash.len()), (&picture.blurhash, 28));
    assert_eq!((heard.kind(), heard.width, heard.has_thumbnails), (AttachmentKind::Voice, 0, false));
    assert_eq!((heard.duration_ms, &heard.waveform), (voice.duration_ms, &voice.waveform));
    assert_eq!(heard.waveform.len(), 100);
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
