use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::events::v1::SessionRevoked;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::v1::server_frame::Frame;
use godwit_kernel::Clock as _;
use godwit_live::Channel;
use godwit_rpc::timestamp;
use godwit_testkit::eventually;
use reqwest::Method;
use serde_json::json;

use crate::stage::{Client, SOON, Stage, elsewhere, somebody};

#[tokio::test]
async fn a_token_may_come_by_header_subprotocol_or_query() {
    let stage = Stage::start().await;
    let caller = somebody();
    let token = stage.token(&caller);
    let bearer = format!("Bearer {token}");
    let protocols = format!("godwit.v1.proto, bearer.{token}");
    let with_query = format!("/v1/ws/me?token={token}");
    let ways = [
        ("/ws/me", ("authorization", bearer.as_str()), None),
        ("/ws/me", ("sec-websocket-protocol", protocols.as_str()), Some("godwit.v1.proto")),
        (with_query.as_str(), ("sec-websocket-protocol", "other, godwit.v1.json"), Some("godwit.v1.json")),
    ];
    for (path, header, protocol) in ways {
        let mut client = Client::open(stage.address, path, &[header]).await;
        assert_eq!(client.protocol.as_deref(), protocol);
        let connected = client.connected().await;
        assert_eq!(connected.user_id, caller.user_id.to_string());
        assert_eq!((connected.device_id, connected.heartbeat_ms), (caller.device_id.to_string(), 25_000));
        assert!(connected.token_expires_at.is_some());
    }
}

#[tokio::test]
async fn without_a_good_token_a_socket_is_closed_with_4401() {
    let stage = Stage::start().await;
    let old = stage.token(&somebody());
    stage.clock.advance(Duration::from_secs(3_600));
    for (path, reason) in [
        ("/ws/me".to_owned(), "UNAUTHENTICATED"),
        ("/ws/me?token=x".to_owned(), "TOKEN_INVALID"),
        ("/ws/me?token=%ff".to_owned(), "TOKEN_INVALID"),
        ("/ws/me?token".to_owned(), "TOKEN_INVALID"),
        (format!("/ws/me?token={old}"), "TOKEN_EXPIRED"),
    ] {
        let mut client = Client::open(stage.address, &path, &[]).await;
        assert_eq!(client.error().await, (String::new(), reason.to_owned(), 401), "{path}");
        assert_eq!(client.close_code().await, 4401);
    }
}

#[tokio::test]
async fn pages_of_other_sites_get_no_socket() {
    let stage = Stage::with(&["--gateway-origins=https://app.example"]).await;
    let bearer = format!("Bearer {}", stage.token(&somebody()));
    let own = format!("http://{}", stage.address);
    for origin in ["https://app.example", &own] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        Client::open(stage.address, "/ws/me", &headers).await.connected().await;
    }
    for origin in ["https://evil.example", "https://app.example.evil.example", "null"] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        assert_eq!(Client::refused(stage.address, "/ws/me", &headers).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn a_session_that_ends_takes_its_sockets_with_it_and_no_others() {
    let stage = Stage::start().await;
    let caller = somebody();
    let other_device = elsewhere(&caller);
    let mut ended = stage.connect(&caller).await;
    let mut kept = stage.connect(&other_device).await;
    let revoked = SessionRevoked { session_id: caller.session_id.to_string(), user_id: caller.user_id.to_string() };
    stage.send(Channel::Sessions, Payload::SessionRevoked(revoked)).await;
    assert_eq!(ended.close_code().await, 4401);
    let mut refused = stage.open("/ws/me", &caller).await;
    assert_eq!(refused.close_code().await, 4401);
    kept.say(json!({"id": "1"})).await;
    assert_eq!(kept.error().await.0, "1");
}

#[tokio::test]
async fn logging_out_closes_the_sockets_of_the_session() {
    let stage = Stage::start().await;
    let caller = somebody();
    let mut client = stage.connect(&caller).await;
    let logout = stage.http.post(stage.url("/auth/logout")).bearer_auth(stage.token(&caller));
    assert_eq!(logout.send().await.unwrap().status(), 200);
    assert_eq!(client.close_code().await, 4401);
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_is_renewed() {
    let stage = Stage::start().await;
    let (careless, careful) = (somebody(), somebody());
    let mut ending = stage.connect(&careless).await;
    let mut renewed = stage.connect(&careful).await;
    stage.clock.advance(Duration::from_secs(14 * 60));
    renewed.say(json!({"id": "r", "refresh": {"access_token": stage.token(&careful)}})).await;
    let answer = renewed.frame().await;
    assert!(matches!(answer.frame, Some(Frame::Refreshed(_))), "{answer:?}");
    assert_eq!(answer.id, "r");
    stage.clock.advance(Duration::from_secs(2 * 60));
    // Both say something, so that the gateway looks at its clock.
    ending.say(json!({"pong": {}})).await;
    renewed.say(json!({"id": "2"})).await;
    assert_eq!(ending.close_code().await, 4401);
    assert_eq!(renewed.error().await.0, "2");
}

#[tokio::test]
async fn a_socket_cannot_be_renewed_with_what_is_not_its_own() {
    let stage = Stage::start().await;
    let caller = somebody();
    let mut client = stage.connect(&caller).await;
    for (token, reason) in [
        ("x".to_owned(), "TOKEN_INVALID"),
        (stage.token(&somebody()), "OTHER_SESSION"),
        (stage.token(&elsewhere(&caller)), "OTHER_SESSION"),
    ] {
        client.say(json!({"id": "r", "refresh": {"access_token": token}})).await;
        let (id, told, _) = client.error().await;
        assert_eq!((id.as_str(), told.as_str()), ("r", reason));
    }
}

#[tokio::test]
async fn a_socket_closes_though_live_lost_the_message_that_its_session_ended() {
    let stage = Stage::start().await;
    let people: Vec<_> = (0..5).map(|_| somebody()).collect();
    let mut sockets = Vec::new();
    for person in &people {
        sockets.push(stage.connect(person).await);
    }
    let mut kept = stage.connect(&somebody()).await;
    eventually(SOON, || async { !stage.services.revocation_asks.lock().is_empty() }).await;
    // As if Redis had been down when auth told it.
    people.iter().for_each(|person| stage.services.revoke(person));
    for socket in &mut sockets {
        assert_eq!(socket.close_code().await, 4401);
    }
    kept.say(json!({"id": "1"})).await;
    assert_eq!(kept.error().await.0, "1");
}

#[tokio::test]
async fn ended_sessions_are_asked_for_all_the_time_and_only_the_latest() {
    let stage = Stage::start().await;
    eventually(SOON, || async { stage.services.revocation_asks.lock().len() >= 10 }).await;
    let asks = stage.services.revocation_asks.lock().clone();
    assert_eq!(asks.first().unwrap().revoked_since, None, "the first asks for all");
    let minute_ago = timestamp(stage.clock.now() - Duration::from_secs(60));
    for ask in asks.iter().skip(1) {
        assert_eq!(ask.revoked_since, Some(minute_ago));
    }
}

#[tokio::test]
async fn a_session_that_ended_while_auth_could_not_tell_is_found_when_it_can() {
    let stage = Stage::start().await;
    let (early, late) = (somebody(), somebody());
    let mut sockets = [stage.connect(&early).await, stage.connect(&late).await];
    eventually(SOON, || async { !stage.services.revocation_asks.lock().is_empty() }).await;
    stage.services.hides_revocations.store(true, Ordering::SeqCst);
    stage.services.revoke(&early);
    stage.clock.advance(Duration::from_secs(300));
    stage.services.revoke(&late);
    stage.clock.advance(Duration::from_secs(300));
    stage.services.hides_revocations.store(false, Ordering::SeqCst);
    for socket in &mut sockets {
        assert_eq!(socket.close_code().await, 4401);
    }
}

#[tokio::test]
async fn a_session_whose_end_was_committed_late_is_found_all_the_same() {
    let stage = Stage::start().await;
    let caller = somebody();
    let mut socket = stage.connect(&caller).await;
    eventually(SOON, || async { stage.services.revocation_asks.lock().len() >= 2 }).await;
    let almost_a_minute_ago = stage.clock.now() - Duration::from_secs(59);
    stage.services.revoked.lock().insert(caller.session_id, almost_a_minute_ago);
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn calls_that_end_a_session_close_its_sockets_at_once() {
    let stage = Stage::start().await;
    // Nothing but the calls themselves tells of it.
    stage.services.hides_revocations.store(true, Ordering::SeqCst);
    let other = somebody();
    let mut untouched = stage.connect(&other).await;
    let named = somebody();
    let by_name = format!("/auth/sessions/{}", named.session_id);
    for (method, path, body) in [
        (Method::POST, "/auth/logout-all", "{}"),
        (Method::DELETE, "/users/me", r#"{"password":"correct horse"}"#),
        (Method::DELETE, by_name.as_str(), ""),
    ] {
        let caller = somebody();
        let (mut mine, mut its) = (stage.connect(&caller).await, stage.connect(&named).await);
        let request = stage.http.request(method, stage.url(path)).bearer_auth(stage.token(&caller)).body(body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
        let (ended, kept) = if path == by_name { (&mut its, &mut mine) } else { (&mut mine, &mut its) };
        assert_eq!(ended.close_code().await, 4401, "{path}");
        kept.say(json!({"id": "1"})).await;
        assert_eq!(kept.error().await.0, "1", "{path}");
    }
    let unknown = stage.url("/auth/sessions/00000000-0000-7000-8000-000000000000");
    let refused = stage.http.delete(unknown).bearer_auth(stage.token(&other)).send().await.unwrap();
    assert_eq!(refused.status(), 404);
    let wrong = stage.http.delete(stage.url("/users/me")).bearer_auth(stage.token(&other)).body("{}");
    assert_eq!(wrong.send().await.unwrap().status(), 400);
    untouched.say(json!({"id": "2"})).await;
    assert_eq!(untouched.error().await.0, "2", "what is refused ends nothing");
}
