use std::time::Duration;

use godwit_contract::media::v1::{CreateUploadRequest, MediaState};
use godwit_kernel::MediaId;
use godwit_media::app::CLAIM_TTL;
use godwit_media::domain::Object;
use godwit_media::processing::{Processor, Tools};
use godwit_rpc::Caller;
use godwit_testkit::eventually;

use crate::fixtures::{film, png};
use crate::world::{SOON, WIDE, World, id, text, tools};

/// An upload of Ada's that waits to be looked at.
async fn waiting(world: &World, content_type: &str, bytes: &[u8]) -> String {
    waiting_of(world, world.ada, content_type, bytes).await
}

async fn waiting_of(world: &World, owner: Caller, content_type: &str, bytes: &[u8]) -> String {
    let request = CreateUploadRequest { content_type: content_type.to_owned(), ..text(bytes) };
    let created = world.create(owner, request).await.unwrap();
    assert_eq!(world.put(&created, bytes).await, 200);
    assert_eq!(world.complete(owner, &id(&created)).await.unwrap().state(), MediaState::Processing);
    id(&created)
}

#[tokio::test]
async fn until_it_was_looked_at_nobody_gets_it() {
    let mut world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "image/png", &png(b"x")).await;
    assert_eq!(world.url(world.ada, &media_id).await.unwrap_err().reason, "MEDIA_NOT_READY");
    assert_eq!(world.describe(world.ada, &[&media_id]).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    assert_eq!(world.set_avatar(world.ada, &media_id).await.unwrap_err().reason, "MEDIA_NOT_FOUND");
    world.start_workers(None);
    assert_eq!(world.looked_at(&media_id).await.state(), MediaState::Ready);
    assert!(world.url(world.ada, &media_id).await.is_ok());
}

#[tokio::test]
async fn the_job_of_a_dead_replica_is_taken_over_and_its_late_result_changes_nothing() {
    let world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "image/png", &png(b"x")).await;
    let processor = world.processor(None);
    let dead = world.app.claim_job(&[]).await.unwrap().unwrap();
    assert!(world.app.claim_job(&[]).await.unwrap().is_none(), "it is claimed");
    world.clock.advance(CLAIM_TTL);
    let taken_over = world.app.claim_job(&[]).await.unwrap().unwrap();
    assert_eq!((taken_over.media.id, taken_over.attempts), (dead.media.id, 2));
    // The one that was taken for dead is not: it ends first.
    world.app.process_upload(&processor, &dead).await.unwrap();
    assert_eq!(world.get(world.ada, &media_id).await.unwrap().state(), MediaState::Processing);
    world.app.process_upload(&processor, &taken_over).await.unwrap();
    assert_eq!(world.get(world.ada, &media_id).await.unwrap().state(), MediaState::Ready);
    world.app.process_upload(&processor, &dead).await.unwrap();
    assert_eq!(world.get(world.ada, &media_id).await.unwrap().state(), MediaState::Ready);
    assert!(world.app.claim_job(&[]).await.unwrap().is_none());
}

#[tokio::test]
async fn an_upload_that_ends_its_processes_is_given_up() {
    let world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "image/png", &png(b"x")).await;
    for _ in 0..5 {
        // The process ends here, each time.
        world.app.claim_job(&[]).await.unwrap().unwrap();
        world.clock.advance(CLAIM_TTL);
    }
    let last = world.app.claim_job(&[]).await.unwrap().unwrap();
    world.app.process_upload(&world.processor(None), &last).await.unwrap();
    let media = world.get(world.ada, &media_id).await.unwrap();
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "PROCESSING_FAILED"));
    world.clock.advance(CLAIM_TTL);
    assert!(world.app.claim_job(&[]).await.unwrap().is_none());
    // The dead letter tells why.
    let dead = "SELECT count(*) FROM media.jobs WHERE dead_at IS NOT NULL AND last_error = 'its processes died'";
    assert_eq!(world.count(dead).await, 1);
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_ended_with_all_it_started() {
    let world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "video/mp4", &film()).await;
    let marker = (3_600 + std::process::id() % 10_000).to_string();
    let slow = slow_tools(&world, &marker, Duration::from_millis(300));
    let processor = Processor { tools: slow, ..world.processor(None) };
    for attempt in 1..=5 {
        let job = world.app.claim_job(&[]).await.unwrap().unwrap();
        assert_eq!(job.attempts, attempt);
        world.app.process_upload(&processor, &job).await.unwrap();
        assert!(world.app.claim_job(&[]).await.unwrap().is_none(), "not again at once");
        world.clock.advance(Duration::from_secs(301));
    }
    let media = world.get(world.ada, &media_id).await.unwrap();
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "PROCESSING_FAILED"));
    eventually(SOON, async || !is_running(&["sleep", &marker])).await;
}

#[tokio::test]
async fn long_films_of_one_person_do_not_hold_up_the_picture_of_another() {
    let mut world = World::without_workers(WIDE).await;
    for _ in 0..3 {
        waiting(&world, "video/mp4", &film()).await;
    }
    let picture = waiting_of(&world, world.bob, "image/png", &png(b"x")).await;
    let marker = (13_700 + std::process::id() % 10_000).to_string();
    let slow = slow_tools(&world, &marker, Duration::from_secs(600));
    world.start_workers_with(Processor { tools: slow, ..world.processor(None) });
    eventually(SOON, async || world.get(world.bob, &picture).await.unwrap().state() == MediaState::Ready).await;
    assert_eq!(world.count("SELECT count(*) FROM media.jobs WHERE attempts = 0").await, 2, "one film at once");
    world.stop_workers().await;
    eventually(SOON, async || !is_running(&["sleep", &marker])).await;
}

#[tokio::test]
async fn a_tool_that_writes_too_much_is_ended() {
    let world = World::without_workers(WIDE).await;
    let marker = format!("endless-{}", std::process::id());
    // To its output, and into a file.
    for script in [format!("exec yes {marker}"), "exec dd if=/dev/zero of=large bs=1M count=1".to_owned()] {
        let media_id = waiting(&world, "video/mp4", &film()).await;
        let processor = Processor { tools: scripted_tools(&world, &script), ..world.processor(None) };
        for _ in 0..5 {
            let job = world.app.claim_job(&[]).await.unwrap().unwrap();
            tokio::time::timeout(SOON, world.app.process_upload(&processor, &job)).await.unwrap().unwrap();
            world.clock.advance(Duration::from_secs(301));
        }
        let media = world.get(world.ada, &media_id).await.unwrap();
        assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "PROCESSING_FAILED"), "{script}");
        eventually(SOON, async || !is_running(&["yes", &marker])).await;
    }
    let dead = "SELECT count(*) FROM media.jobs WHERE dead_at IS NOT NULL AND last_error LIKE '%went over its limits'";
    assert_eq!(world.count(dead).await, 2);
}

#[tokio::test]
async fn a_tool_that_takes_too_much_memory_does_not_get_it() {
    let world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "video/mp4", &film()).await;
    let (had, refused) = (world.dir.path().join("had"), world.dir.path().join("refused"));
    let dd = "dd if=/dev/zero of=/dev/null bs=3G count=1";
    let script = format!("{dd} && : > {} || : > {}\nexit 1", had.display(), refused.display());
    let processor = Processor { tools: scripted_tools(&world, &script), ..world.processor(None) };
    let job = world.app.claim_job(&[]).await.unwrap().unwrap();
    world.app.process_upload(&processor, &job).await.unwrap();
    assert!(refused.exists() && !had.exists());
    let media = world.get(world.ada, &media_id).await.unwrap();
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "FILE_BROKEN"));
}

/// Tools that do what a shell script says.
fn scripted_tools(world: &World, commands: &str) -> Tools {
    let script = world.dir.path().join("scripted");
    std::fs::write(&script, format!("#!/bin/sh\n{commands}\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    Tools { ffmpeg: script.clone(), ffprobe: script, ..tools() }
}

/// Tools that do nothing for `marker` seconds, in children of their own; they are to be found among the processes by it.
fn slow_tools(world: &World, marker: &str, time_limit: Duration) -> Tools {
    let script = world.dir.path().join("slow");
    std::fs::write(&script, format!("#!/bin/sh\nsleep {marker} & sleep {marker}; wait\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    Tools { ffmpeg: script.clone(), ffprobe: script, time_limit }
}

/// Whether a process with this command line runs.
fn is_running(command: &[&str]) -> bool {
    let command = format!("{}\0", command.join("\0"));
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|line| line == command.as_bytes())
}

#[tokio::test]
async fn a_tool_that_is_not_installed_costs_no_upload() {
    let mut world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "video/mp4", &film()).await;
    let absent = Tools { ffmpeg: "no-such-ffmpeg".into(), ffprobe: "no-such-ffprobe".into(), ..tools() };
    let processor = Processor { tools: absent, ..world.processor(None) };
    for _ in 0..8 {
        let job = world.app.claim_job(&[]).await.unwrap().unwrap();
        world.app.process_upload(&processor, &job).await.unwrap();
        world.clock.advance(Duration::from_secs(301));
    }
    assert_eq!(world.get(world.ada, &media_id).await.unwrap().state(), MediaState::Processing);
    world.start_workers(None);
    assert_eq!(world.looked_at(&media_id).await.state(), MediaState::Ready);
}

#[tokio::test]
async fn what_the_store_going_away_interrupts_is_done_when_it_is_back() {
    let mut world = World::without_workers(WIDE).await;
    let mut ids = Vec::new();
    for seed in 0..6_u8 {
        ids.push(waiting(&world, "image/png", &png(&[seed])).await);
    }
    world.start_workers(None);
    // Whatever it is at: some are done by now, some are not.
    let address = world.stop_s3().await;
    let tried = "SELECT count(*) FROM media.jobs WHERE outages = 0";
    eventually(SOON, async || world.count(tried).await == 0).await;
    assert!(world.count("SELECT count(*) FROM media.jobs WHERE outages > 0").await > 0, "nothing was interrupted");
    world.start_s3(address).await;
    eventually(SOON, async || {
        world.let_retries_come().await;
        world.count("SELECT count(*) FROM media.media WHERE state <> 'ready'").await == 0
    })
    .await;
    for media_id in &ids {
        assert!(!world.fetch(&world.url(world.ada, media_id).await.unwrap()).await.is_empty());
    }
    assert_eq!(world.count("SELECT count(*) FROM media.jobs").await, 0);
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_leaves_its_jobs_to_others_at_once() {
    let mut world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "video/mp4", &film()).await;
    let marker = (14_000 + std::process::id() % 10_000).to_string();
    let slow = slow_tools(&world, &marker, Duration::from_secs(60));
    world.start_workers_with(Processor { tools: slow, ..world.processor(None) });
    eventually(SOON, async || is_running(&["sleep", &marker])).await;
    world.stop_workers().await;
    eventually(SOON, async || !is_running(&["sleep", &marker])).await;
    // No time passes until its claim would end, and it does not count against the upload.
    assert_eq!(world.count("SELECT count(*) FROM media.jobs WHERE attempts = 0 AND claim IS NULL").await, 1);
    world.start_workers(None);
    assert_eq!(world.looked_at(&media_id).await.state(), MediaState::Ready);
}

#[tokio::test]
async fn an_outage_that_comes_with_an_upload_for_a_week_is_taken_for_its_own() {
    let world = World::without_workers(WIDE).await;
    let media_id = waiting(&world, "video/mp4", &film()).await;
    world.execute("UPDATE media.jobs SET outages = 3000").await;
    let absent = Tools { ffmpeg: "no-such-ffmpeg".into(), ffprobe: "no-such-ffprobe".into(), ..tools() };
    let job = world.app.claim_job(&[]).await.unwrap().unwrap();
    world.app.process_upload(&Processor { tools: absent, ..world.processor(None) }, &job).await.unwrap();
    let media = world.get(world.ada, &media_id).await.unwrap();
    assert_eq!((media.state(), media.rejection.as_str()), (MediaState::Rejected, "PROCESSING_FAILED"));
}

#[tokio::test]
async fn another_checksum_than_the_announced_one_is_rejected() {
    let world = World::new().await;
    for (announced, state, rejection) in
        [(sha256(b"words"), MediaState::Ready, ""), (sha256(b"other words"), MediaState::Rejected, "CHECKSUM_MISMATCH")]
    {
        let request = CreateUploadRequest { sha256: announced.into(), ..text(b"words") };
        let media = world.upload_with(request, b"words").await;
        assert_eq!((media.state(), media.rejection.as_str()), (state, rejection));
    }
    let rejected = "SELECT count(*) FROM media.garbage";
    assert!(world.count(rejected).await > 0);
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

#[tokio::test]
async fn what_is_put_again_at_the_address_of_a_picture_is_removed_again() {
    let world = World::new().await;
    let request = CreateUploadRequest { content_type: "image/png".to_owned(), ..text(&png(b"x")) };
    let created = world.create(world.ada, request).await.unwrap();
    world.put(&created, &png(b"x")).await;
    world.complete(world.ada, &id(&created)).await.unwrap();
    let media = world.looked_at(&id(&created)).await;
    let upload = Object::Upload.key(media.id.parse::<MediaId>().unwrap());
    world.app.collect_garbage().await.unwrap();
    // Its address still works, and its place is free; nobody is ever given what comes there.
    let served = world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await;
    assert_eq!(world.put(&created, &png(b"y")).await, 200);
    assert_eq!(world.fetch(&world.url(world.ada, &media.id).await.unwrap()).await, served);
    world.clock.advance(Duration::from_secs(3_600));
    world.app.collect_garbage().await.unwrap();
    assert!(world.objects.head(&upload).await.unwrap().is_none());
    assert_eq!(world.count("SELECT count(*) FROM media.garbage").await, 0);
}
