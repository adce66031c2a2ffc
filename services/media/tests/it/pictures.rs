use godwit_contract::media::v1::{CreateUploadRequest, Media, MediaKind, MediaState, ThumbnailSize};
use godwit_kernel::MediaId;
use godwit_media::domain::Object;
use image::{GenericImageView as _, ImageFormat};

use crate::fixtures::{
    LATITUDE, SECRET, TURNED, UPRIGHT, encoded, gif_of, halves, holds, huge_gif, huge_jpeg, huge_png, huge_webp, png,
    recorded, with_exif,
};
use crate::world::{World, text};

async fn upload_image(world: &World, bytes: &[u8]) -> Media {
    let request = CreateUploadRequest { kind: MediaKind::Image.into(), ..text(bytes) };
    world.upload_with(request, bytes).await
}

async fn fetched(world: &World, media: &Media) -> Vec<u8> {
    world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await
}

#[tokio::test]
async fn where_a_picture_was_taken_is_gone_and_its_pixels_are_not() {
    let world = World::new().await;
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let plain = encoded(&halves(640, 480), format);
        let media = upload_image(&world, &with_exif(plain.clone(), format, UPRIGHT)).await;
        assert_eq!((media.state(), media.width, media.height), (MediaState::Ready, 640, 480), "{format:?}");
        let clean = fetched(&world, &media).await;
        assert!(!holds(&clean, SECRET) && !holds(&clean, LATITUDE) && !holds(&clean, b"Exif"), "{format:?}");
        assert!(image::load_from_memory(&clean).unwrap() == image::load_from_memory(&plain).unwrap(), "{format:?}");
    }
}

#[tokio::test]
async fn the_upload_with_the_place_in_it_is_removed_from_the_store() {
    let world = World::new().await;
    let bytes = with_exif(encoded(&halves(64, 48), ImageFormat::Jpeg), ImageFormat::Jpeg, UPRIGHT);
    let media = upload_image(&world, &bytes).await;
    let id: MediaId = media.id.parse().unwrap();
    world.app.collect_garbage().await.unwrap();
    assert!(world.objects.head(&Object::Upload.key(id)).await.unwrap().is_none());
    let clean = fetched(&world, &media).await;
    assert!(!holds(&clean, SECRET) && !holds(&clean, LATITUDE));
}

#[tokio::test]
async fn a_picture_on_its_side_is_turned() {
    let world = World::new().await;
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let media = upload_image(&world, &with_exif(encoded(&halves(64, 48), format), format, TURNED)).await;
        assert_eq!((media.width, media.height), (48, 64), "{format:?}");
        let clean = fetched(&world, &media).await;
        assert!(!holds(&clean, SECRET));
        let clean = image::load_from_memory(&clean).unwrap();
        assert_eq!(clean.dimensions(), (48, 64));
        // What was left is above now.
        let (above, below) = (clean.get_pixel(24, 8), clean.get_pixel(24, 56));
        assert!(above[0] > above[2] && below[2] > below[0], "{format:?}: {above:?} {below:?}");
    }
}

#[tokio::test]
async fn there_are_thumbnails_of_every_size_and_a_blurred_preview() {
    let world = World::new().await;
    let media = upload_image(&world, &encoded(&halves(1_600, 800), ImageFormat::Png)).await;
    assert!(media.has_thumbnails);
    assert_eq!(media.blurhash.len(), 28);
    for (size, expected) in [
        (ThumbnailSize::Small, (160, 80)),
        (ThumbnailSize::Medium, (480, 240)),
        (ThumbnailSize::Unspecified, (480, 240)),
        (ThumbnailSize::Large, (1_280, 640)),
        (ThumbnailSize::Square, (320, 320)),
    ] {
        let url = world.thumbnail(world.ada, &media.id, size).await.unwrap();
        let bytes = world.fetch(&url).await;
        assert_eq!(image::guess_format(&bytes).unwrap(), ImageFormat::WebP);
        assert_eq!(image::load_from_memory(&bytes).unwrap().dimensions(), expected, "{size:?}");
    }
    // What is small stays so.
    let small = upload_image(&world, &png(b"s")).await;
    let url = world.thumbnail(world.ada, &small.id, ThumbnailSize::Large).await.unwrap();
    assert_eq!(image::load_from_memory(&world.fetch(&url).await).unwrap().dimensions(), (16, 12));
    let document = world.upload(b"words").await;
    let refused = world.thumbnail(world.ada, &document.id, ThumbnailSize::Small).await.unwrap_err();
    assert_eq!(refused.reason, "MEDIA_HAS_NO_THUMBNAIL");
}

#[tokio::test]
async fn an_animation_goes_on_moving_without_what_was_written_beside_it() {
    let world = World::new().await;
    let input = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1"];
    let gif = recorded(&input, "gif");
    let mut commented = gif.clone();
    // A comment extension before the trailer, and a zip archive behind it.
    let trailer = commented.pop().unwrap();
    commented.extend([0x21, 0xfe, u8::try_from(SECRET.len()).unwrap()]);
    commented.extend(SECRET);
    commented.extend([0, trailer]);
    commented.extend(b"PK\x03\x04 hidden");
    let media = upload_image(&world, &commented).await;
    assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "image/gif"));
    let clean = fetched(&world, &media).await;
    assert!(!holds(&clean, SECRET) && !holds(&clean, b"hidden"));
    let frames = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(bytes)).unwrap();
        let frames = image::AnimationDecoder::into_frames(decoder).collect_frames().unwrap();
        frames.into_iter().map(|frame| frame.into_buffer().into_raw()).collect()
    };
    assert_eq!(frames(&clean).len(), 5);
    assert!(frames(&clean) == frames(&gif));
}

#[tokio::test]
async fn bombs_are_refused_before_they_are_decoded() {
    let world = World::new().await;
    for (name, bytes) in [
        ("png", huge_png(50_000, 50_000)),
        ("png within the sides", huge_png(16_000, 16_000)),
        ("jpeg", huge_jpeg(65_500, 65_500)),
        ("jpeg within the sides", huge_jpeg(16_000, 16_000)),
        ("webp", huge_webp()),
        ("gif", huge_gif()),
    ] {
        let media = upload_image(&world, &bytes).await;
        assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "DIMENSIONS_EXCEEDED"), "{name}");
        let refused = world.url(world.ada, &media.id).await.unwrap_err();
        assert_eq!(refused.reason, "MEDIA_REJECTED");
    }
}

#[tokio::test]
async fn a_flood_of_frames_in_a_small_file_is_refused() {
    let world = World::new().await;
    for (frame_count, state, rejection) in
        [(10_000, MediaState::Ready, ""), (10_001, MediaState::Rejected, "DIMENSIONS_EXCEEDED")]
    {
        let gif = gif_of(frame_count);
        assert!(gif.len() < 160_000, "{}", gif.len());
        let media = upload_image(&world, &gif).await;
        assert_eq!((media.state(), media.rejection.as_str()), (state, rejection), "{frame_count}");
    }
}

#[tokio::test]
async fn what_is_cut_or_no_picture_is_refused() {
    let world = World::new().await;
    let jpeg = encoded(&halves(640, 480), ImageFormat::Jpeg);
    let whole = png(b"x");
    for (name, bytes, rejection) in [
        ("a cut png", &whole[..whole.len() / 2], "FILE_BROKEN"),
        ("a head of a png", &whole[..20], "FILE_BROKEN"),
        ("a head of a jpeg", &jpeg[..100], "FILE_BROKEN"),
        ("a page", b"<!DOCTYPE html><script>alert(1)</script>", "TYPE_NOT_ALLOWED"),
        ("a drawing with scripts", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "TYPE_NOT_ALLOWED"),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "TYPE_NOT_ALLOWED"),
        ("nothing known", b"plain words", "TYPE_NOT_ALLOWED"),
    ] {
        let media = upload_image(&world, bytes).await;
        assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, rejection), "{name}");
    }
}

#[tokio::test]
async fn of_a_file_that_is_two_things_only_the_picture_is_left() {
    let world = World::new().await;
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = encoded(&halves(64, 48), format);
        bytes.extend(b"PK\x03\x04<script>alert(1)</script>");
        let media = upload_image(&world, &bytes).await;
        assert_eq!(media.state(), MediaState::Ready, "{format:?}");
        assert!(!holds(&fetched(&world, &media).await, b"<script>"), "{format:?}");
    }
}

#[tokio::test]
async fn a_document_is_kept_as_it_is_and_only_ever_saved() {
    let world = World::new().await;
    let bytes = with_exif(encoded(&halves(64, 48), ImageFormat::Jpeg), ImageFormat::Jpeg, UPRIGHT);
    let request = CreateUploadRequest { kind: MediaKind::Document.into(), ..text(&bytes) };
    let media = world.upload_with(request, &bytes).await;
    assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "image/jpeg"));
    let answer = world.http.get(world.url(world.ada, &media.id).await.unwrap()).send().await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment;"));
    assert_eq!(&answer.bytes().await.unwrap()[..], &bytes[..]);
}
