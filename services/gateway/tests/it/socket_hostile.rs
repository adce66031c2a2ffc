//! What a client can do wrong, on purpose or not: it loses its connection with the right close code, and nobody else
//! notices.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tokio::time::timeout;

use crate::stage::raw::{BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, RawClient, TEXT, announced, frame};
use crate::stage::{SOON, Stage, somebody};

async fn hostile(stage: &Stage) -> RawClient {
    RawClient::open(stage.address, &stage.token(&somebody())).await
}

/// Somebody else is served as ever.
async fn assert_serves(stage: &Stage) {
    let mut client = stage.connect(&somebody()).await;
    client.say(json!({"id": "1"})).await;
    assert_eq!(client.error().await.0, "1");
    client.close().await;
}

fn panics(metrics: &PrometheusHandle) -> bool {
    metrics.render().contains("gateway_connection_panics_total")
}

/// Counts from here on what this process counts.
fn metrics() -> PrometheusHandle {
    static METRICS: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    let install = || metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    METRICS.get_or_init(install).clone()
}

#[tokio::test]
async fn whoever_breaks_the_protocol_is_told_how() {
    let metrics = metrics();
    let stage = Stage::start().await;
    let text = FINAL | TEXT;
    let unmasked = vec![text, 5, b'h', b'e', b'l', b'l', b'o'];
    let half = "ä".as_bytes().split_at(1);
    let large = vec![b'x'; 40 * 1024];
    for (what, bytes, code) in [
        ("a text that is no UTF-8", frame(text, &[b'"', 0xff, b'"']), 1007),
        ("a text that ends within a character", frame(text, half.0), 1007),
        ("no UTF-8 in fragments", [frame(TEXT, half.0), frame(FINAL | CONTINUATION, b"x")].concat(), 1007),
        ("a reason that is no UTF-8", frame(FINAL | CLOSE, &[0x03, 0xe8, 0xff]), 1007),
        ("a frame without a mask", unmasked, 1002),
        ("a compressed frame", frame(text | 0x40, b"\x2a\x04\x00"), 1002),
        ("the other reserved bits", frame(text | 0x30, b"{}"), 1002),
        ("an unknown kind of data", frame(FINAL | 0x3, b""), 1002),
        ("an unknown kind of control", frame(FINAL | 0xb, b""), 1002),
        ("a ping of 126 bytes", frame(FINAL | PING, &[0; 126]), 1002),
        ("a ping in fragments", frame(PING, b"x"), 1002),
        ("a continuation of nothing", frame(FINAL | CONTINUATION, b"x"), 1002),
        ("a message within another", [frame(TEXT, b"{"), frame(text, b"{}")].concat(), 1002),
        ("a close code that nobody may send", frame(FINAL | CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("half a close code", frame(FINAL | CLOSE, &[3]), 1002),
        ("a frame that is one byte too long", frame(text, &vec![b' '; 64 * 1024 + 1]), 4413),
        ("a frame that is announced too long", announced(FINAL | BINARY, 64 * 1024 + 1), 4413),
        ("a frame of all memory there is", announced(text, 1 << 40), 4413),
        ("a frame of more than there can be", announced(text, u64::MAX), 4413),
        ("fragments that are too long together", [frame(TEXT, &large), announced(CONTINUATION, 30_000)].concat(), 4413),
        ("a goodbye", frame(FINAL | CLOSE, &1000_u16.to_be_bytes()), 1000),
        ("a goodbye with words", frame(FINAL | CLOSE, b"\x0b\xb8see you"), 3000),
        ("a goodbye without a code", frame(FINAL | CLOSE, b""), 1005),
    ] {
        let mut client = hostile(&stage).await;
        client.try_send(&bytes).await;
        assert_eq!(client.close_code().await, code, "{what}");
    }
    assert_serves(&stage).await;
    assert!(!panics(&metrics));
}

#[tokio::test]
async fn a_message_may_come_in_any_number_of_fragments_with_pings_between() {
    let stage = Stage::start().await;
    let mut client = hostile(&stage).await;
    let message = r#"{"id":"ä1"}"#.as_bytes();
    let mut bytes = frame(TEXT, &[]);
    for byte in message {
        bytes.extend(frame(CONTINUATION, &[*byte]));
        bytes.extend(frame(FINAL | PONG, b"unasked"));
    }
    bytes.extend(frame(FINAL | PING, b"are you there"));
    bytes.extend(frame(FINAL | CONTINUATION, &[]));
    // Byte by byte, as a network may cut it.
    for byte in bytes {
        client.send(&[byte]).await;
    }
    let (mut pong, mut answer) = (None, None);
    while pong.is_none() || answer.is_none() {
        match client.frame().await.expect("the connection stays") {
            (first, payload) if first == FINAL | PONG => pong = Some(payload),
            (_, payload) if payload.starts_with(r#"{"id":"ä1""#.as_bytes()) => answer = Some(payload),
            _ => {}
        }
    }
    assert_eq!(pong.unwrap(), b"are you there");
}

#[tokio::test]
async fn every_ping_is_answered_with_its_own_bytes() {
    let stage = Stage::start().await;
    let mut client = hostile(&stage).await;
    for payload in [b"".as_slice(), b"1", &[0xff; 125]] {
        client.send(&frame(FINAL | PING, payload)).await;
        loop {
            let (first, heard) = client.frame().await.expect("the connection stays");
            if first == FINAL | PONG {
                assert_eq!(heard, payload);
                break;
            }
        }
    }
}

#[tokio::test]
async fn floods_of_frames_that_say_nothing_are_floods() {
    let stage = Stage::with(&["--gateway-frames-per-sec=50"]).await;
    let nothing = frame(CONTINUATION, b"");
    for (what, flood) in [
        ("empty fragments", [frame(TEXT, b"{"), nothing.repeat(2_000)].concat()),
        ("pings", frame(FINAL | PING, b"x").repeat(2_000)),
        ("pongs", frame(FINAL | PONG, b"").repeat(2_000)),
    ] {
        let mut client = hostile(&stage).await;
        client.try_send(&flood).await;
        assert_eq!(client.close_code().await, 4429, "{what}");
    }
    assert_serves(&stage).await;
}

#[tokio::test]
async fn a_frame_or_message_that_dribbles_in_ends_the_connection() {
    let stage = Stage::with(&["--gateway-heartbeat-ms=100", "--gateway-dead-after-ms=600"]).await;
    let (mut in_frame, mut in_message) = (hostile(&stage).await, hostile(&stage).await);
    in_frame.send(&announced(FINAL | TEXT, 60_000)).await;
    in_message.send(&frame(TEXT, b"{")).await;
    // Both go on for ever, and one gives signs of life besides.
    let drip = async {
        loop {
            let is_open = in_frame.try_send(b" ").await;
            let pings = [frame(CONTINUATION, b" "), frame(FINAL | PONG, b"")].concat();
            if !is_open | !in_message.try_send(&pings).await {
                break;
            }
            if let Ok(Some((first, _))) = timeout(Duration::from_millis(20), in_message.frame()).await
                && first == FINAL | CLOSE
            {
                break;
            }
        }
    };
    timeout(SOON, drip).await.expect("the connections end");
    assert_eq!(in_frame.close_code().await, 4408);
    assert_serves(&stage).await;
}

#[tokio::test]
async fn a_handshake_that_dribbles_in_is_given_up() {
    let stage = Stage::start().await;
    let mut client = RawClient::connect(stage.address).await;
    client.send(b"GET /ws/me HTTP/1.1\r\nhost: gateway\r\n").await;
    let drip = async {
        while client.try_send(b"x-drip: 1\r\n").await {
            if let Ok(head) = timeout(Duration::from_millis(200), client.head()).await {
                return head;
            }
        }
        String::new()
    };
    let head = timeout(SOON, drip).await.expect("it is given up");
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408 "), "{head}");
}

#[tokio::test]
async fn a_handshake_that_is_none_is_answered_by_http() {
    let stage = Stage::start().await;
    for (request, status) in [
        ("GET /ws/me HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n", 426),
        ("POST /ws/me HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n", 426),
        ("GET /ws/me HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 12\r\n", 426),
        ("GET /ws/nobody HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n", 404),
        ("GET /chats HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n", 404),
        ("CONNECT gateway:443 HTTP/1.1\r\n", 404),
    ] {
        let mut client = RawClient::connect(stage.address).await;
        client.send(format!("{request}host: gateway\r\n\r\n").as_bytes()).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {head}");
        assert!(head.contains("application/problem+json"), "{head}");
    }
}

/// A frame as a client sends it, and how its bytes are spoilt.
fn mutated_frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(br#"{"id":"1","pong":{}}"#.to_vec()),
        Just(br#"{"id":"1","sync":{"cursors":[{"chat_id":"x"}]}}"#.to_vec()),
        (60_000..66_000_usize).prop_map(|length| vec![b' '; length]),
    ];
    let first = prop_oneof![
        Just(FINAL | TEXT),
        Just(FINAL | BINARY),
        Just(TEXT),
        Just(CONTINUATION),
        Just(FINAL | CONTINUATION),
        Just(FINAL | PING),
        Just(FINAL | PONG),
        Just(FINAL | CLOSE),
        any::<u8>(),
    ];
    let sequence = proptest::collection::vec((first, payload).prop_map(|(first, bytes)| frame(first, &bytes)), 1..12);
    (sequence, proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4)).prop_map(|(frames, changes)| {
        let mut bytes = frames.concat();
        for (place, value) in changes {
            let place = place % bytes.len();
            *bytes.get_mut(place).unwrap() = value;
        }
        bytes
    })
}

/// Every connection ends once its client has nothing more to say, and with a code of ours or its own.
async fn survives(stage: &Stage, bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut client = hostile(stage).await;
    client.try_send(bytes).await;
    // The end of what it says, so that what hangs in the air ends too.
    drop(tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await);
    let code = client.close_code().await;
    let is_known = matches!(code, 1000..=1003 | 1005..=1013 | 3000..=4999);
    prop_assert!(is_known, "closed with {code}");
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn fuzz(strategy: impl Strategy<Value = Vec<u8>>) {
    let metrics = metrics();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::start());
    runner(300).run(&strategy, |bytes| runtime.block_on(survives(&stage, &bytes))).unwrap();
    runtime.block_on(assert_serves(&stage));
    assert!(!panics(&metrics));
}

#[test]
fn any_bytes_end_only_their_own_connection() {
    fuzz(proptest::collection::vec(any::<u8>(), 0..400));
}

#[test]
fn any_spoilt_frames_end_only_their_own_connection() {
    fuzz(mutated_frames());
}
