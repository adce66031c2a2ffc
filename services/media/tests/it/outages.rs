//! What other parts do when they go away and come back while people upload.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::media::v1::{CreateUploadRequest, MediaKind, MediaScan, MediaState};
use godwit_media::workers;
use godwit_testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::clamd::ClamdServer;
use crate::fixtures::png;
use crate::s3::{S3Server, spawn};
use crate::world::{SOON, WIDE, World, id, text};

const TEXTS: u8 = 8;
const PICTURES: u8 = 8;

/// Uploads like a client that does not give up; the id.
async fn upload_stubbornly(world: &World, bytes: &[u8]) -> String {
    let kind = if bytes.starts_with(b"\x89PNG") { MediaKind::Image } else { MediaKind::Document };
    let request = CreateUploadRequest { kind: kind.into(), ..text(bytes) };
    let created = world.create(world.ada, request).await.unwrap();
    // 412: it came through, and the answer was lost.
    eventually(SOON, async || matches!(world.try_put(&created, bytes).await, Some(200 | 412))).await;
    eventually(SOON, async || world.complete(world.ada, &id(&created)).await).await;
    id(&created)
}

/// How many objects an S3 server keeps in a directory.
fn objects_in(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let count = entries.map(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return objects_in(&entry.path());
        }
        // What the server writes while an object comes begins with a dot.
        usize::from(!entry.file_name().to_string_lossy().starts_with('.'))
    });
    count.sum()
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_left_over_while_everything_goes_away_and_comes_back() {
    let mut world = World::without_workers(WIDE).await;
    let mut clamd = ClamdServer::start(world.dir.path()).await;
    world.start_workers(Some(clamd.place()));
    let files: Vec<Vec<u8>> =
        (0..TEXTS).map(|seed| vec![b'a' + seed; 70_000]).chain((0..PICTURES).map(|seed| png(&[seed, 9]))).collect();

    let (first, rest) = files.split_at(files.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let mut ids = join_all(first.iter().map(|bytes| upload_stubbornly(&world, bytes))).await;
    // At once: what was completed last was not looked at yet.
    clamd.stop();
    let address = world.stop_s3().await;
    let (more, _s3) = tokio::join!(join_all(second.iter().map(|bytes| upload_stubbornly(&world, bytes))), async {
        eventually(SOON, async || world.count("SELECT count(*) FROM media.media WHERE state = 'pending'").await > 0)
            .await;
        let interrupted = "SELECT count(*) FROM media.jobs WHERE outages > 0";
        eventually(SOON, async || world.count(interrupted).await > 0).await;
        S3Server::start_at(address, &world.dir.path().join("s3")).await
    });
    ids.extend(more);
    world.stop_workers().await;
    ids.extend(join_all(third.iter().map(|bytes| upload_stubbornly(&world, bytes))).await);
    world.start_workers(Some(clamd.place()));
    clamd.start_again().await;

    let waiting = "SELECT count(*) FROM media.media WHERE state <> 'ready'";
    eventually(SOON * 3, async || {
        world.let_retries_come().await;
        world.count(waiting).await == 0
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM media.media").await, i64::from(TEXTS + PICTURES));
    assert_eq!(world.count("SELECT count(*) FROM media.jobs").await, 0);
    for (media_id, bytes) in ids.iter().zip(&files) {
        let media = world.get(world.ada, media_id).await.unwrap();
        assert_eq!((media.state(), media.scan()), (MediaState::Ready, MediaScan::Clean));
        let fetched = world.fetch(&world.url(world.ada, media_id).await.unwrap()).await;
        if media.kind() == MediaKind::Document {
            assert!(fetched == *bytes);
        } else {
            assert!(image::load_from_memory(&fetched).unwrap() == image::load_from_memory(bytes).unwrap());
        }
    }
    // A text is one object; of a picture there are a copy and four thumbnails, and the upload itself is removed.
    world.clock.advance(Duration::from_secs(3_600));
    let stop = CancellationToken::new();
    let worker = spawn(workers::expire_uploads(Arc::clone(&world.app), Duration::from_millis(20), stop.clone()));
    let expected = usize::from(TEXTS) + 5 * usize::from(PICTURES);
    let objects = world.dir.path().join("s3/objects/godwit-media");
    eventually(SOON, async || {
        let count = objects_in(&objects);
        if count == expected { Ok(()) } else { Err(count) }
    })
    .await;
    stop.cancel();
    worker.await.unwrap().unwrap();
}
