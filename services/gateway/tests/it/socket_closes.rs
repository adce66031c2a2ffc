use godwit_contract::v1::server_frame::Frame;
use serde_json::json;

use crate::stage::{Client, Heard, Stage, elsewhere, somebody};

#[tokio::test]
async fn a_frame_over_the_limit_closes_with_4413() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    client.try_say_text(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(client.close_code().await, 4413);
}

#[tokio::test]
async fn a_flood_of_frames_closes_with_4429() {
    let stage = Stage::with(&["--gateway-frames-per-sec=5"]).await;
    let mut client = stage.connect(&somebody()).await;
    for _ in 0..10 {
        client.say(json!({"pong": {}})).await;
    }
    client.try_say_text(r#"{"pong":{}}"#).await;
    client.try_say_text(r#"{"pong":{}}"#).await;
    assert_eq!(client.close_code().await, 4429);
}

#[tokio::test]
async fn a_client_is_pinged_and_closed_when_it_gives_no_sign_of_life() {
    let stage = Stage::with(&["--gateway-heartbeat-ms=50", "--gateway-dead-after-ms=300"]).await;
    let (reader, sleeper) = (somebody(), somebody());
    let mut alive = stage.connect(&reader).await;
    // Reading answers the pings of the protocol; who does not read answers none.
    let mut silent = stage.connect(&sleeper).await;
    let is_gone = |user: &str| {
        stage.services.reports.lock().iter().any(|report| report.left_user_ids.iter().any(|id| id == user))
    };
    let sleeper = sleeper.user_id.to_string();
    let mut pings = 0;
    while pings < 8 || !is_gone(&sleeper) {
        match alive.hear().await {
            Heard::Frame(frame) if matches!(frame.frame, Some(Frame::Ping(_))) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    // The last word is lost on who wakes up after the connection is gone.
    let code = silent.close_code().await;
    assert!(code == 4408 || code == 1006, "{code}");
}

#[tokio::test]
async fn one_socket_too_many_replaces_the_oldest_of_the_user() {
    let stage = Stage::with(&["--gateway-sockets-per-user=2"]).await;
    let caller = somebody();
    let mut first = stage.connect(&caller).await;
    let _second = stage.connect(&elsewhere(&caller)).await;
    let _stranger = stage.connect(&somebody()).await;
    let _third = stage.connect(&elsewhere(&caller)).await;
    assert_eq!(first.close_code().await, 4409);
}

#[tokio::test]
async fn a_full_gateway_refuses_handshakes() {
    let stage = Stage::with(&["--gateway-max-sockets=1"]).await;
    let first = stage.connect(&somebody()).await;
    let bearer = format!("Bearer {}", stage.token(&somebody()));
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(Client::refused(stage.address, "/ws/me", &headers).await, 503);
    first.close().await;
    godwit_testkit::eventually(crate::stage::SOON, || async {
        Client::try_open(stage.address, "/ws/me", &headers).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_stops_sends_everybody_away_and_then_ends() {
    let stage = Stage::start().await;
    let mut clients = vec![];
    for _ in 0..10 {
        clients.push(stage.connect(&somebody()).await);
    }
    let farewells = async {
        let mut pauses = vec![];
        for client in &mut clients {
            let Some(Frame::Reconnect(reconnect)) = client.frame().await.frame else { panic!("no reconnect") };
            pauses.push(reconnect.after_ms);
            assert_eq!(client.close_code().await, 1012);
        }
        pauses
    };
    let (late, mut pauses) = tokio::join!(stage.stop(), farewells);
    assert_eq!(late, Vec::<&str>::new());
    assert!(pauses.iter().all(|pause| *pause < 5_000));
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 1, "everybody would come back at once");
    assert!(stage.http.get(stage.url("/health/live")).send().await.is_err(), "nothing listens any more");
}
