//! Files from one person to another, over the stream that tells who may fetch them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use godwit_contract::media::v1::{
    FinishStreamResponse, GetMediaResponse, GetMediaUrlResponse, GetThumbnailUrlResponse, Media, MediaKind, MediaState,
};
use godwit_contract::message::v1::SendMessageResponse;
use godwit_testkit::{TestCluster, eventually};
use reqwest::Method;
use serde_json::json;

use crate::support::{Account, Pair, embedded, fresh_uuid, send, separate};

/// What comes by the event stream may take this long.
const SOON: Duration = Duration::from_secs(30);
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const BOUNDARY: &str = "xxBOUNDARYxx";

/// Uploads a file through the gateway, as a form does, and waits until it was looked at: the answer waits for that only a
/// moment.
async fn upload(owner: &Account, file_name: &str, content_type: &str, content: &[u8]) -> Media {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    let body = [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let form_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = owner.rest.request(Method::POST, "/media/upload").header("content-type", form_type).body(body);
    let id = send(request).await.created::<FinishStreamResponse>().media.unwrap().id;
    let looked_at = async || {
        let media = owner.rest.get(&format!("/media/{id}")).await.ok::<GetMediaResponse>().media.unwrap();
        if media.state() == MediaState::Processing { Err(media.state()) } else { Ok(media) }
    };
    let media = eventually(SOON, looked_at).await;
    assert_eq!(media.state(), MediaState::Ready);
    media
}

#[tokio::test]
async fn a_file_goes_from_one_person_to_another_in_one_process() {
    a_file_goes_from_one_person_to_another(embedded().await).await;
}

#[tokio::test]
async fn a_file_goes_from_one_person_to_another_over_separate_services() {
    a_file_goes_from_one_person_to_another(separate().await).await;
}

async fn a_file_goes_from_one_person_to_another(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let stranger = Account::create(cluster, "eve").await;
    // Three parts through the gateway.
    let content: Vec<u8> = (0..(17 << 20)).map(|place: u32| u8::try_from(place / 9 % 251).unwrap()).collect();
    let text = upload(&ada, "numbers.bin", "application/octet-stream", &content).await;
    let picture = upload(&ada, "dot.png", "image/png", &BASE64.decode(PIXEL).unwrap()).await;
    assert_eq!((picture.kind(), picture.width, picture.height), (MediaKind::Image, 1, 1));

    let body = json!({"client_message_id": fresh_uuid(), "media_ids": [text.id, picture.id]});
    let sent: SendMessageResponse = ada.rest.post(&format!("/chats/{chat_id}/messages"), body).await.created();
    let message = sent.message.unwrap();
    assert_eq!(message.attachments.len(), 2);
    let address = eventually(SOON, async || {
        let answer = bob.rest.get(&format!("/media/{}/url", text.id)).await;
        (answer.status == 200).then(|| answer.ok::<GetMediaUrlResponse>().url)
    })
    .await;
    let fetched = godwit_testkit::http_client().get(&address).send().await.unwrap().bytes().await.unwrap();
    assert!(fetched == content);
    let small: GetThumbnailUrlResponse =
        bob.rest.get(&format!("/media/{}/thumbnail?size=THUMBNAIL_SIZE_SMALL", picture.id)).await.ok();
    assert_eq!(
        godwit_testkit::http_client().get(small.url).send().await.unwrap().headers()["content-type"],
        "image/webp"
    );
    assert_eq!(stranger.rest.get(&format!("/media/{}", text.id)).await.problem(404), "MEDIA_NOT_FOUND");

    ada.rest.delete(&format!("/messages/{}", message.id)).await.ok::<serde_json::Value>();
    for media in [&text, &picture] {
        eventually(SOON, async || bob.rest.get(&format!("/media/{}", media.id)).await.status == 404).await;
        assert_eq!(ada.rest.get(&format!("/media/{}", media.id)).await.status, 200);
    }
}

/// Of a process and at most, in MiB (`VmRSS`, `VmHWM` of proc(5)).
fn memory_mib(pid: u32) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    })
}

#[tokio::test]
#[ignore = "moves 2 GiB several times: run it by its name"]
#[expect(clippy::print_stdout, reason = "what was measured is for whoever runs it")]
async fn two_gibibytes_pass_in_constant_memory() {
    const PIECE: usize = 1 << 20;
    let cluster = separate().await;
    let ada = Account::create(cluster, "ada").await;
    upload(&ada, "small.bin", "application/octet-stream", &[0; PIECE]).await;
    let processes = ["gateway-1", "media"];
    let before = processes.map(|process| memory_mib(cluster.pid(process)));
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let length = head.len() + end.len() + 2048 * PIECE;
    let piece = bytes::Bytes::from(vec![7; PIECE]);
    let pieces = std::iter::once(head.into()).chain(std::iter::repeat_n(piece, 2048)).chain([end.into()]);
    let pieces = futures_util::stream::iter(pieces.map(Ok::<bytes::Bytes, std::io::Error>));
    let request = ada
        .rest
        .request(Method::POST, "/media/upload")
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("content-length", length)
        .timeout(Duration::from_secs(1_800))
        .body(reqwest::Body::wrap_stream(pieces));
    let id = send(request).await.created::<FinishStreamResponse>().media.unwrap().id;
    let passed = processes.map(|process| memory_mib(cluster.pid(process)));
    let ready = async || {
        let media = ada.rest.get(&format!("/media/{id}")).await.ok::<GetMediaResponse>().media.unwrap();
        if media.state() == MediaState::Ready { Ok(media.size_bytes) } else { Err(media.state()) }
    };
    assert_eq!(eventually(Duration::from_secs(1_800), ready).await, 2 << 30);
    let looked_at = processes.map(|process| memory_mib(cluster.pid(process)));
    println!("MiB [now, at most] of {processes:?}: before {before:?}, passed {passed:?}, looked at {looked_at:?}");
    for (before, after) in before.iter().zip(looked_at) {
        assert!(after[1] < before[0] + 160, "{before:?} {after:?}");
    }
}
