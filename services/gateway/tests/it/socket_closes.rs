use godwit_contract::v1::server_frame::Frame;
use serde_json::json;

use crate::stage::raw::RawClient;
use crate::stage::{Client, Heard, SOON, Stage, chat, elsewhere, somebody};

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
async fn a_device_that_connects_without_end_ends_no_other() {
    let stage = Stage::with(&["--gateway-sockets-per-user=2"]).await;
    let caller = somebody();
    let room = chat();
    stage.services.add_member(room, &caller);
    let mut quiet = stage.connect(&caller).await;
    let flapping = elsewhere(&caller);
    let mut before = stage.connect(&flapping).await;
    for _ in 0..5 {
        let now = stage.connect(&flapping).await;
        assert_eq!(std::mem::replace(&mut before, now).close_code().await, 4409);
    }
    stage.publish(room, 1, "still here").await;
    assert_eq!(quiet.update().await.seq, 1);
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
async fn an_address_with_all_its_sockets_gets_no_more_and_others_do() {
    let stage = Stage::with(&["--gateway-sockets-per-address=1", "--gateway-trusted-proxies=1"]).await;
    let bearer = format!("Bearer {}", stage.token(&somebody()));
    let from = |address| [("authorization", bearer.as_str()), ("x-forwarded-for", address)];
    let first = Client::open(stage.address, "/ws/me", &from("2001:db8:1:2::1")).await;
    assert_eq!(Client::refused(stage.address, "/ws/me", &from("2001:db8:1:2::ffff")).await, 429, "the same network");
    Client::open(stage.address, "/ws/me", &from("2001:db8:1:3::1")).await.connected().await;
    first.close().await;
    godwit_testkit::eventually(SOON, || async {
        Client::try_open(stage.address, "/ws/me", &from("2001:db8:1:2::2")).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn handshakes_that_come_too_fast_are_refused_before_their_token_is_looked_at() {
    let stage = Stage::with(&["--gateway-handshakes-per-sec=1"]).await;
    let mut heads = Vec::new();
    for _ in 0..10 {
        let mut client = RawClient::connect(stage.address).await;
        heads.push(client.handshake(stage.address, "made-up").await);
    }
    let refused: Vec<_> = heads.iter().filter(|head| head.starts_with("HTTP/1.1 503 ")).collect();
    assert!(refused.len() >= 5, "{heads:?}");
    // Those that are let in hear that their token is none only after their handshake.
    assert!(refused.len() < 10, "{heads:?}");
    assert!(refused.iter().all(|head| head.contains("retry-after: 1")), "{refused:?}");
}

#[tokio::test]
async fn a_socket_that_cannot_be_served_now_is_told_when_to_come_back() {
    let stage = Stage::start().await;
    stage.services.hides_chats.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut client = stage.open("/ws/me", &somebody()).await;
    assert_eq!(client.error().await.2, 503);
    assert!(matches!(client.frame().await.frame, Some(Frame::Reconnect(_))));
    assert_eq!(client.close_code().await, 1013);
}

#[tokio::test]
async fn a_client_that_stays_behind_is_closed_with_4408_and_told_when_to_come_back() {
    let stage = Stage::start().await;
    let (slow, quick) = (somebody(), somebody());
    let room = chat();
    stage.services.add_member(room, &slow);
    stage.services.add_member(room, &quick);
    let mut behind = stage.connect(&slow).await;
    let mut abreast = stage.connect(&quick).await;
    let large = "x".repeat(30_000);
    for seq in 1..=400 {
        stage.publish(room, seq, &large).await;
        assert_eq!(abreast.update().await.seq, seq);
    }
    while !matches!(behind.frame().await.frame, Some(Frame::Resync(_))) {}
    for seq in 401..=800 {
        stage.publish(room, seq, &large).await;
        assert_eq!(abreast.update().await.seq, seq);
    }
    while !matches!(behind.frame().await.frame, Some(Frame::Reconnect(_))) {}
    assert_eq!(behind.close_code().await, 4408);
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_was_asked_and_loses_no_event() {
    let stage = Stage::start().await;
    let (caller, witness) = (somebody(), somebody());
    let room = chat();
    stage.services.add_member(room, &caller);
    stage.services.add_member(room, &witness);
    let mut client = stage.connect(&caller).await;
    let mut abreast = stage.connect(&witness).await;
    let message = json!({"chat_id": room.to_string(), "client_message_id": "a", "text": "wait for it"});
    client.say(json!({"id": "1", "send_message": message})).await;
    stage.services.held.notified().await;
    // More than the network takes, and the client does not read yet.
    let large = "x".repeat(20_000);
    for seq in 1..=40 {
        stage.publish(room, seq, &large).await;
        assert_eq!(abreast.update().await.seq, seq);
    }
    let leaving = async {
        // It stops by now when it takes no more sockets; only then the message is committed.
        let bearer = format!("Bearer {}", stage.token(&somebody()));
        let headers = [("authorization", bearer.as_str())];
        godwit_testkit::eventually(SOON, || async {
            Client::try_open(stage.address, "/ws/me", &headers).await.is_err()
        })
        .await;
        stage.services.sends.add_permits(1);
        for seq in 1..=40 {
            assert_eq!(client.update().await.seq, seq);
        }
        let acknowledged = client.frame().await;
        assert!(matches!(acknowledged.frame, Some(Frame::Ack(_))), "{acknowledged:?}");
        assert!(matches!(client.frame().await.frame, Some(Frame::Reconnect(_))));
        assert_eq!(client.close_code().await, 1012);
        drop((client, abreast));
    };
    let (late, ()) = tokio::join!(stage.stop(), leaving);
    assert_eq!(late, Vec::<&str>::new());
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
