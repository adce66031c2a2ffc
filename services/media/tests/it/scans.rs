use godwit_contract::media::v1::{MediaScan, MediaState};
use godwit_kernel::MediaId;
use godwit_media::domain::Object;
use godwit_testkit::eventually;

use crate::clamd::{ClamdServer, eicar};
use crate::world::{SOON, WIDE, World, id, text};

#[tokio::test]
async fn malware_is_rejected_and_removed_and_the_rest_is_clean() {
    let mut world = World::without_workers(WIDE).await;
    let clamd = ClamdServer::start(world.dir.path()).await;
    world.start_workers(Some(clamd.place()));
    let clean = world.upload(b"harmless").await;
    assert_eq!((clean.state(), clean.scan()), (MediaState::Ready, MediaScan::Clean));

    let infected = world.upload_with(text(&eicar()), &eicar()).await;
    assert_eq!((infected.state(), infected.scan()), (MediaState::Rejected, MediaScan::Infected));
    assert_eq!(infected.rejection, "MALWARE_FOUND");
    assert_eq!(world.url(world.ada, &infected.id).await.unwrap_err().reason, "MEDIA_REJECTED");
    assert_eq!(world.describe(world.ada, &[&infected.id]).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    world.app.collect_garbage().await.unwrap();
    let upload = Object::Upload.key(infected.id.parse::<MediaId>().unwrap());
    assert!(world.objects.head(&upload).await.unwrap().is_none());
    assert!(world.objects.head(&Object::Upload.key(clean.id.parse().unwrap())).await.unwrap().is_some());
}

#[tokio::test]
async fn a_scanner_is_reached_by_tcp_at_an_address_and_by_its_name() {
    let mut world = World::without_workers(WIDE).await;
    let clamd = ClamdServer::start(world.dir.path()).await;
    let port = clamd.port().await;
    for host in ["127.0.0.1", "localhost"] {
        world.start_workers(Some(format!("tcp://{host}:{port}").parse().unwrap()));
        let clean = world.upload(b"harmless").await;
        assert_eq!((clean.state(), clean.scan()), (MediaState::Ready, MediaScan::Clean), "{host}");
        let infected = world.upload_with(text(&eicar()), &eicar()).await;
        assert_eq!((infected.rejection.as_str(), infected.scan()), ("MALWARE_FOUND", MediaScan::Infected), "{host}");
        // More than it takes: it answers and closes while the rest is on its way.
        let large = world.upload(&vec![b'a'; 5 << 20]).await;
        assert_eq!((large.state(), large.scan()), (MediaState::Ready, MediaScan::Unscanned), "{host}");
        world.stop_workers().await;
    }
}

#[tokio::test]
async fn what_is_larger_than_the_scanner_takes_is_told_to_be_unscanned() {
    let mut world = World::without_workers(WIDE).await;
    let clamd = ClamdServer::start(world.dir.path()).await;
    world.start_workers(Some(clamd.place()));
    let media = world.upload(&vec![b'a'; 5 << 20]).await;
    assert_eq!((media.state(), media.scan()), (MediaState::Ready, MediaScan::Unscanned));
}

#[tokio::test]
async fn nothing_passes_unscanned_while_the_scanner_is_down() {
    let mut world = World::without_workers(WIDE).await;
    let mut clamd = ClamdServer::start(world.dir.path()).await;
    world.start_workers(Some(clamd.place()));
    clamd.stop();
    let mut ids = Vec::new();
    for bytes in [b"harmless".to_vec(), eicar()] {
        let created = world.create(world.ada, text(&bytes)).await.unwrap();
        assert_eq!(world.put(&created, &bytes).await, 200);
        world.complete(world.ada, &id(&created)).await.unwrap();
        ids.push(id(&created));
    }
    // Each was tried while nobody listened, more often than a faulty upload would be.
    let tries = "SELECT coalesce(min(outages), 0)::bigint FROM media.jobs";
    eventually(SOON, async || {
        world.let_retries_come().await;
        world.count(tries).await > 6
    })
    .await;
    for media_id in &ids {
        assert_eq!(world.get(world.ada, media_id).await.unwrap().state(), MediaState::Processing);
    }
    clamd.start_again().await;
    eventually(SOON, async || {
        world.let_retries_come().await;
        let media = world.get(world.ada, &ids[1]).await.unwrap();
        media.state() == MediaState::Rejected
            && world.get(world.ada, &ids[0]).await.unwrap().state() == MediaState::Ready
    })
    .await;
}
