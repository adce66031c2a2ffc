use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godwit_contract::media::v1::MediaKind;
use godwit_testkit::eventually;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Status;

use crate::stage::media::MEDIA_ID;
use crate::stage::{SOON, Stage, somebody};

const PART: usize = 8 << 20;
const BOUNDARY: &str = "xxBOUNDARYxx";

/// A form with one file, as browsers write it.
fn form(file_name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: audio/ogg\r\n\r\n"
    );
    [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

fn post(stage: &Stage, path: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
    let form_type = format!("multipart/form-data; boundary={BOUNDARY}");
    stage.http.post(stage.url(path)).header("content-type", form_type).body(body)
}

async fn reason(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    (status, problem.get("reason").and_then(serde_json::Value::as_str).unwrap().to_owned())
}

#[tokio::test]
async fn a_file_is_passed_on_in_parts() {
    let stage = Stage::start().await;
    let ada = somebody();
    let content: Vec<u8> = (0..2 * PART + 5).map(|place| u8::try_from(place / 3 % 256).unwrap()).collect();
    for (path, kind) in
        [("/media/upload", MediaKind::Unspecified), ("/v1/media/upload?kind=video_note", MediaKind::VideoNote)]
    {
        let body = form("Кот.ogg", &content);
        let length = u64::try_from(body.len()).unwrap();
        let answer = post(&stage, path, body).bearer_auth(stage.token(&ada)).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let media: Value = answer.json().await.unwrap();
        assert_eq!((&media["media"]["id"], &media["media"]["state"]), (&MEDIA_ID.into(), &"MEDIA_STATE_READY".into()));
        let begun = stage.services.files.begun.lock().pop().unwrap();
        assert_eq!((begun.file_name.as_str(), begun.content_type.as_str()), ("Кот.ogg", "audio/ogg"));
        assert_eq!((begun.kind(), begun.max_bytes, begun.user_id), (kind, length, ada.user_id.to_string()));
        let parts = std::mem::take(&mut *stage.services.files.parts.lock());
        assert_eq!(parts.values().map(|part| part.len()).collect::<Vec<_>>(), [PART, PART, 5]);
        assert!(parts.values().flatten().copied().eq(content.iter().copied()));
        let finished = stage.services.files.finished.lock().pop().unwrap();
        assert_eq!(finished.size_bytes, u64::try_from(content.len()).unwrap());
        assert_eq!(finished.part_etags, ["etag-1", "etag-2", "etag-3"]);
        assert_eq!(finished.sha256[..], Sha256::digest(&content)[..]);
    }
    assert!(stage.services.files.aborted.lock().is_empty());
}

/// A body as RFC 9530 says what it hashes to.
fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

#[tokio::test]
async fn a_body_is_compared_with_its_content_digest() {
    let stage = Stage::start().await;
    let (token, files) = (stage.token(&somebody()), &stage.services.files);
    // What is behind the end of the form belongs to the content, too.
    let body = [&form("a.ogg", &vec![7; PART + 9])[..], b"\r\nbehind"].concat();
    let send = |digest: String| {
        post(&stage, "/media/upload", body.clone()).bearer_auth(&token).header("content-digest", digest)
    };
    let right = format!("sha-512=:AAAA:, {}", content_digest(&body));
    assert_eq!(send(right).send().await.unwrap().status(), 201);
    let of_another = content_digest(&body[..body.len() - 1]);
    assert_eq!(reason(send(of_another)).await, (400, "CONTENT_DIGEST_MISMATCH".to_owned()));
    eventually(SOON, async || files.aborted.lock().len() == 1).await;
    assert_eq!((files.begun.lock().len(), files.finished.lock().len()), (2, 1));
}

#[tokio::test]
async fn what_is_no_content_digest_is_refused_before_anything_is_passed_on() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    for malformed in ["sha-256", "sha-256=:AAAA:", "sha-256=44aff4ab2d7c3250525675a08f0cfa95"] {
        let refused = post(&stage, "/media/upload", form("a.ogg", b"1")).header("content-digest", malformed);
        assert_eq!(reason(refused.bearer_auth(&token)).await, (400, "CONTENT_DIGEST_MALFORMED".to_owned()));
    }
    assert!(stage.services.files.begun.lock().is_empty());
}

#[tokio::test]
async fn what_is_no_form_with_a_file_is_refused() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    let no_file = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--{BOUNDARY}--\r\n");
    let two = [&form("a.ogg", b"1")[..], no_file.as_bytes()].concat();
    let two = String::from_utf8(two).unwrap().replace(&format!("--{BOUNDARY}--\r\n--"), "--").into_bytes();
    for (path, body, expected) in [
        ("/media/upload", no_file.clone().into_bytes(), (400, "FORM_MALFORMED")),
        ("/media/upload", b"nonsense".to_vec(), (400, "BODY_BROKEN")),
        ("/media/upload", form("a.ogg", &[7; 100])[..150].to_vec(), (400, "BODY_BROKEN")),
        ("/media/upload", two, (400, "FORM_MALFORMED")),
        ("/media/upload?kind=film", form("a.ogg", b"1"), (400, "FORM_MALFORMED")),
        ("/media/upload", form("too-much", b"1"), (429, "RESOURCE_EXHAUSTED")),
    ] {
        let (status, reason) = reason(post(&stage, path, body).bearer_auth(&token)).await;
        assert_eq!((status, reason.as_str()), expected, "{path}");
    }
    assert!(stage.services.files.finished.lock().is_empty());
    let json = stage.http.post(stage.url("/media/upload")).bearer_auth(&token).body("{}");
    assert_eq!(reason(json).await.0, 400);
    assert_eq!(reason(post(&stage, "/media/upload", form("a.ogg", b"1"))).await.1, "UNAUTHENTICATED");
    assert_eq!(reason(stage.http.get(stage.url("/media/upload")).bearer_auth(&token)).await.1, "METHOD_NOT_ALLOWED");
}

/// The head of a request for a file of `length` bytes with the form around it.
async fn begin(stage: &Stage, length: Option<u64>) -> TcpStream {
    let length = length.map_or("transfer-encoding: chunked".to_owned(), |length| format!("content-length: {length}"));
    let head = format!(
        "POST /media/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{length}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        stage.token(&somebody())
    );
    let mut socket = TcpStream::connect(stage.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn status(socket: &mut TcpStream) -> String {
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[tokio::test]
async fn how_long_it_is_must_be_told_and_fit_before_anything_is_sent() {
    let stage = Stage::start().await;
    assert_eq!(status(&mut begin(&stage, None).await).await, "411");
    assert_eq!(status(&mut begin(&stage, Some((2 << 30) + (1 << 20))).await).await, "413");
    assert!(stage.services.files.begun.lock().is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_removed() {
    let stage = Stage::start().await;
    let body = form("a.ogg", &vec![7; PART + PART / 2]);
    let mut socket = begin(&stage, Some(u64::try_from(body.len()).unwrap())).await;
    socket.write_all(&body[..PART + 1_000]).await.unwrap();
    eventually(SOON, async || stage.services.files.parts.lock().len() == 1).await;
    drop(socket);
    eventually(SOON, async || stage.services.files.aborted.lock().len() == 1).await;
    assert!(stage.services.files.finished.lock().is_empty());
    // So is one that media refuses on its way.
    *stage.services.files.refusal.lock() = Some(Status::failed_precondition("too late"));
    let refused = post(&stage, "/media/upload", form("a.ogg", &vec![7; PART + 1]));
    assert_eq!(reason(refused.bearer_auth(stage.token(&somebody()))).await.0, 409);
    eventually(SOON, async || stage.services.files.aborted.lock().len() == 2).await;
}

#[tokio::test]
async fn one_person_passes_two_files_at_once_and_leaves_room_for_others() {
    let stage = Stage::start().await;
    let files = &stage.services.files;
    files.room.forget_permits(files.room.available_permits());
    let ada = stage.token(&somebody());
    let passing = || post(&stage, "/media/upload", form("a.ogg", b"1")).bearer_auth(&ada);
    let (first, second, ()) = tokio::join!(passing().send(), passing().send(), async {
        eventually(SOON, async || files.begun.lock().len() == 2).await;
        assert_eq!(reason(passing()).await, (503, "OVERLOADED".to_owned()));
        let bob = post(&stage, "/media/upload", form("b.ogg", b"1")).bearer_auth(stage.token(&somebody()));
        let (answer, ()) = tokio::join!(bob.send(), async {
            eventually(SOON, async || files.begun.lock().len() == 3).await;
            files.room.add_permits(4);
        });
        assert_eq!(answer.unwrap().status(), 201);
    });
    assert_eq!((first.unwrap().status().as_u16(), second.unwrap().status().as_u16()), (201, 201));
    assert_eq!(passing().send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn what_the_store_does_not_take_yet_waits_in_the_client() {
    let stage = Stage::start().await;
    // The store takes one part, and then nothing.
    let files = &stage.services.files;
    files.room.forget_permits(files.room.available_permits() - 1);
    let parts = 24;
    let body = form("a.ogg", &vec![7; parts * PART]);
    let mut socket = begin(&stage, Some(u64::try_from(body.len()).unwrap())).await;
    let mut sent = 0;
    // Until nothing more goes out for a while, or all is sent.
    while sent < body.len() {
        match tokio::time::timeout(Duration::from_secs(2), socket.write(&body[sent..])).await {
            Ok(count) => sent += count.unwrap(),
            Err(_) => break,
        }
    }
    assert!(sent < 8 * PART, "the gateway took {sent} bytes of {} ahead of the store", body.len());
    files.room.add_permits(parts);
    socket.write_all(&body[sent..]).await.unwrap();
    assert_eq!(status(&mut socket).await, "201");
}
