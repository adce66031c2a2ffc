use std::path::Path;

use godwit_contract::media::v1::{CreateUploadRequest, Media, MediaKind, MediaState, ThumbnailSize};
use godwit_media::processing::Processor;
use image::GenericImageView as _;

use crate::fixtures::{FILM_PLACE, SECRET, film, film_that_grows, holds, png, probed, recorded, voice};
use crate::world::{WIDE, World, text};

async fn upload_as(world: &World, kind: MediaKind, bytes: &[u8]) -> Media {
    world.upload_with(CreateUploadRequest { kind: kind.into(), ..text(bytes) }, bytes).await
}

#[tokio::test]
async fn a_film_gets_its_size_length_and_poster_and_loses_its_place() {
    let world = World::new().await;
    let film = film();
    assert_eq!(probed(&film, world.dir.path())["format"]["tags"]["location"], FILM_PLACE);
    let media = upload_as(&world, MediaKind::Video, &film).await;
    assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "video/mp4"));
    assert_eq!((media.width, media.height), (320, 240));
    assert!((1_900..=2_200).contains(&media.duration_ms), "{}", media.duration_ms);
    assert_eq!(media.blurhash.len(), 28);
    let poster = world.thumbnail(world.ada, &media.id, ThumbnailSize::Small).await.unwrap();
    assert_eq!(image::load_from_memory(&world.fetch(&poster).await).unwrap().dimensions(), (160, 120));

    let clean = world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await;
    assert!(!holds(&clean, SECRET));
    let told = probed(&clean, world.dir.path());
    assert_eq!(told["streams"].as_array().unwrap().len(), 2);
    // The box that the place is in.
    assert!(holds(&film, b"loci") && !holds(&clean, b"loci"));
    assert!(told["format"]["tags"]["location"].is_null());
    assert_eq!(media.size_bytes, u64::try_from(clean.len()).unwrap());
}

#[tokio::test]
async fn a_voice_gets_its_length_and_a_hundred_values_of_loudness() {
    let world = World::new().await;
    for (ending, content_type) in [("ogg", "audio/ogg"), ("mp3", "audio/mpeg"), ("m4a", "audio/mp4")] {
        let media = upload_as(&world, MediaKind::Voice, &voice(ending)).await;
        assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, content_type));
        assert!((1_900..=2_200).contains(&media.duration_ms), "{ending}: {}", media.duration_ms);
        assert_eq!(media.waveform.len(), 100);
        // A second of silence, then a tone.
        assert!(media.waveform[5..45].iter().all(|value| *value < 30), "{ending}: {:?}", &media.waveform[..]);
        assert!(media.waveform[58..90].iter().all(|value| *value > 150), "{ending}: {:?}", &media.waveform[..]);
        let clean = world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await;
        assert!(!holds(&clean, SECRET), "{ending}");
        assert_eq!(probed(&clean, world.dir.path())["streams"][0]["codec_type"], "audio");
    }
}

#[tokio::test]
async fn a_video_note_gets_its_size_and_length() {
    let world = World::new().await;
    for (ending, codecs, content_type) in [
        ("mp4", ["-c:v", "mpeg4", "-c:a", "aac"], "video/mp4"),
        ("webm", ["-c:v", "libvpx", "-c:a", "libopus"], "video/webm"),
    ] {
        let input =
            ["-f", "lavfi", "-i", "testsrc=size=240x240:rate=10:duration=2", "-f", "lavfi", "-i", "sine=duration=2"];
        let note = recorded(&[&input[..], &codecs[..]].concat(), ending);
        let media = upload_as(&world, MediaKind::VideoNote, &note).await;
        assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, content_type));
        assert_eq!((media.kind(), media.width, media.height), (MediaKind::VideoNote, 240, 240));
        assert!((1_900..=2_200).contains(&media.duration_ms), "{ending}: {}", media.duration_ms);
        assert!(media.has_thumbnails && media.waveform.is_empty());
        let clean = world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await;
        assert_eq!(probed(&clean, world.dir.path())["streams"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn sounds_of_every_container_get_their_length() {
    let world = World::new().await;
    for (ending, content_type) in [
        ("ogg", "audio/ogg"),
        ("mp3", "audio/mpeg"),
        ("m4a", "audio/mp4"),
        ("webm", "audio/webm"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("aac", "audio/aac"),
    ] {
        let media = upload_as(&world, MediaKind::Audio, &voice(ending)).await;
        assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, content_type));
        assert_eq!(media.kind(), MediaKind::Audio);
        assert!((1_900..=2_200).contains(&media.duration_ms), "{ending}: {}", media.duration_ms);
        assert!(media.waveform.is_empty() && !media.has_thumbnails);
        let clean = world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await;
        assert!(!holds(&clean, SECRET), "{ending}");
        assert_eq!(probed(&clean, world.dir.path())["streams"][0]["codec_type"], "audio");
    }
}

#[tokio::test]
async fn mp3_that_begins_with_a_frame_is_known_and_its_length_is_measured() {
    let world = World::new().await;
    // MPEG-2.5, as of cheap recorders; and eight seconds that take few bits and eight that take many.
    let simple = ["-f", "lavfi", "-i", "sine=duration=2:sample_rate=8000"];
    let uneven = ["-f", "lavfi", "-i", "aevalsrc='if(gte(t,8),0.8*random(0),0)':s=44100:d=16", "-q:a", "2"];
    let bare = ["-id3v2_version", "0", "-write_xing", "0"];
    for (input, first, expected) in [(&simple[..], 0xe3, 1_900..=2_300), (&uneven[..], 0xfb, 15_900..=16_200)] {
        let mp3 = recorded(&[input, &bare].concat(), "mp3");
        assert_eq!(mp3[..2], [0xff, first]);
        let media = upload_as(&world, MediaKind::Audio, &mp3).await;
        assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "audio/mpeg"));
        assert!(expected.contains(&media.duration_ms), "{}", media.duration_ms);
    }
}

#[tokio::test]
async fn what_browsers_record_without_a_length_is_measured() {
    let world = World::new().await;
    // Written to a pipe, as MediaRecorder does: nothing can be filled in at the end.
    let tone = "sine=frequency=440:duration=2";
    let webm = recorded(&["-f", "lavfi", "-i", tone, "-c:a", "libopus", "-live", "1", "-f", "webm"], "webm");
    let media = upload_as(&world, MediaKind::Voice, &webm).await;
    assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "audio/webm"));
    assert!((1_900..=2_200).contains(&media.duration_ms), "{}", media.duration_ms);
}

#[tokio::test]
async fn a_kind_takes_its_own_only() {
    let world = World::new().await;
    let film = film();
    let cut = &film[..film.len() / 3];
    for (kind, bytes, rejection) in [
        (MediaKind::Voice, &film[..], "TYPE_NOT_ALLOWED"),
        (MediaKind::Video, &png(b"x")[..], "TYPE_NOT_ALLOWED"),
        (MediaKind::Video, &voice("m4a")[..], "TYPE_NOT_ALLOWED"),
        (MediaKind::Audio, b"#EXTM3U\nfile:///etc/passwd\n", "TYPE_NOT_ALLOWED"),
        (MediaKind::Video, cut, "FILE_BROKEN"),
        (MediaKind::Video, b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", "FILE_BROKEN"),
    ] {
        let media = upload_as(&world, kind, bytes).await;
        assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, rejection), "{kind:?}");
    }
}

#[tokio::test]
async fn a_matroska_film_is_none_of_webm() {
    let world = World::new().await;
    // Nothing that WebM may hold.
    let film = recorded(&["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1", "-c:v", "mpeg4"], "mkv");
    let media = upload_as(&world, MediaKind::Video, &film).await;
    assert_eq!((media.state(), media.content_type.as_str()), (MediaState::Ready, "video/x-matroska"));
    assert_eq!((media.width, media.height, media.duration_ms), (64, 48, 1_000));
}

#[tokio::test]
async fn a_film_of_too_large_frames_is_refused() {
    let mut world = World::without_workers(WIDE).await;
    // The poster has a quarter of its pixels.
    let film = recorded(&["-f", "lavfi", "-i", "testsrc=size=2560x32:rate=5:duration=1", "-c:v", "mpeg4"], "mp4");
    world.start_workers_with(Processor { max_pixels: 2_560 * 32 - 1, ..world.processor(None) });
    let media = upload_as(&world, MediaKind::Video, &film).await;
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "DIMENSIONS_EXCEEDED"));
}

#[tokio::test]
async fn frames_that_are_larger_than_the_container_says_are_not_decoded() {
    let world = World::new().await;
    let film = film_that_grows();
    assert!(film.len() < 100_000, "{}", film.len());
    assert_eq!(probed(&film, world.dir.path())["streams"][0]["width"], 64);
    let media = upload_as(&world, MediaKind::Video, &film).await;
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "DIMENSIONS_EXCEEDED"));
}

#[tokio::test]
async fn what_plays_for_too_long_is_refused() {
    let world = World::new().await;
    // A frame or a sample a second, so that a day is small.
    let film = recorded(&["-f", "lavfi", "-i", "color=size=32x32:rate=1:duration=301", "-c:v", "mpeg4"], "mp4");
    let day = ["-f", "s16le", "-ar", "1", "-ac", "1", "-t", "86460", "-i", "/dev/zero", "-c:a", "copy"];
    for (kind, bytes) in [(MediaKind::VideoNote, &film), (MediaKind::Audio, &recorded(&day, "wav"))] {
        let media = upload_as(&world, kind, bytes).await;
        let outcome = (media.state(), media.rejection.as_str());
        assert_eq!(outcome, (MediaState::Rejected, "DIMENSIONS_EXCEEDED"), "{kind:?}");
    }
    // A film that is no note may take longer.
    let media = upload_as(&world, MediaKind::Video, &film).await;
    assert_eq!((media.state(), media.duration_ms), (MediaState::Ready, 301_000));
}

#[tokio::test]
async fn nothing_is_left_where_a_film_was_looked_at() {
    let world = World::new().await;
    upload_as(&world, MediaKind::Video, &film()).await;
    upload_as(&world, MediaKind::Video, b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2").await;
    let names = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let folders = names(&world.scratch());
    assert_eq!(folders.len(), 1);
    assert_eq!(names(&world.scratch().join(&folders[0])), ["lock"]);
}
