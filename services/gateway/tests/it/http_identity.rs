use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::events::v1::SessionRevoked;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_kernel::Clock as _;
use godwit_live::Channel;
use godwit_testkit::eventually;
use serde_json::{Value, json};

use crate::stage::{SOON, Services, Signer, Stage, somebody};

async fn reason(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status == 401 {
        assert_eq!(response.headers().get("www-authenticate").unwrap(), "Bearer");
    }
    let body: Value = response.json().await.unwrap();
    (status, body.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn refused(reason: &str) -> (u16, String) {
    (401, reason.to_owned())
}

#[tokio::test]
async fn whoever_comes_while_auth_comes_up_is_let_in() {
    let services = Services::default();
    services.hides_keys.store(true, Ordering::SeqCst);
    let stage = Stage::over(services, &[]).await;
    let caller = somebody();
    assert_eq!(reason(stage.get("/users/me", &caller)).await, (503, "KEYS_UNAVAILABLE".to_owned()));
    // It may have been asked in vain a moment ago.
    stage.services.hides_keys.store(false, Ordering::SeqCst);
    assert_eq!(stage.get("/users/me", &caller).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_a_token_of_ours_for_now_is_taken() {
    let stage = Stage::start().await;
    let caller = somebody();
    let get = |token: &str| stage.http.get(stage.url("/users/me")).bearer_auth(token);
    assert_eq!(reason(stage.http.get(stage.url("/users/me"))).await, refused("UNAUTHENTICATED"));
    let basic = stage.http.get(stage.url("/users/me")).basic_auth("ada", Some("secret"));
    assert_eq!(reason(basic).await, refused("UNAUTHENTICATED"));

    let good = stage.token(&caller);
    assert_eq!(get(&good).send().await.unwrap().status(), 200);
    let mut changed = good.clone().into_bytes();
    *changed.get_mut(40).unwrap() ^= 1;
    let foreign = Signer::default().token(&caller, stage.clock.as_ref(), Duration::from_secs(60));
    let long = "v4.public.".to_owned() + &"A".repeat(4_000);
    for token in ["x", "v4.public.", "v4.local.AAAA", &long, &String::from_utf8(changed).unwrap(), &foreign] {
        assert_eq!(reason(get(token)).await, refused("TOKEN_INVALID"), "{token:.40}");
    }
    let now = "2026-06-01T12:00:00Z";
    let ids = json!({"sub": caller.user_id.to_string(), "sid": caller.session_id.to_string(),
        "did": caller.device_id.to_string(), "iss": "godwit", "aud": "godwit", "iat": now, "nbf": now,
        "exp": "2026-06-01T12:15:00Z"});
    for (claim, value) in [
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("sub", json!("ada")),
        ("sid", json!(7)),
        ("exp", json!("never")),
        ("nbf", json!("2026-06-01T12:01:00Z")),
    ] {
        let mut claims = ids.clone();
        claims.as_object_mut().unwrap().insert(claim.to_owned(), value);
        assert_eq!(reason(get(&stage.services.signer.sign(&claims))).await, refused("TOKEN_INVALID"), "{claim}");
    }
    assert_eq!(get(&stage.services.signer.sign(&ids)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_ends_with_its_time_also_when_it_was_seen_before() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    let get = || stage.http.get(stage.url("/users/me")).bearer_auth(&token);
    assert_eq!(get().send().await.unwrap().status(), 200);
    stage.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(reason(get()).await, refused("TOKEN_EXPIRED"));
}

#[tokio::test]
async fn keys_are_fetched_once_and_not_for_made_up_tokens() {
    let stage = Stage::start().await;
    eventually(SOON, || async { stage.services.key_fetches.load(Ordering::SeqCst) == 1 }).await;
    for _ in 0..20 {
        assert_eq!(stage.get("/users/me", &somebody()).send().await.unwrap().status(), 200);
    }
    assert_eq!(stage.services.key_fetches.load(Ordering::SeqCst), 1);
    for _ in 0..20 {
        let made_up = Signer::default().token(&somebody(), stage.clock.as_ref(), Duration::from_secs(60));
        assert_eq!(reason(stage.http.get(stage.url("/users/me")).bearer_auth(made_up)).await, refused("TOKEN_INVALID"));
    }
    assert!(stage.services.key_fetches.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_session_is_over_when_logout_returns() {
    let stage = Stage::start().await;
    let (caller, other) = (somebody(), somebody());
    let logout = stage.http.post(stage.url("/auth/logout")).bearer_auth(stage.token(&caller));
    assert_eq!(logout.send().await.unwrap().status(), 200);
    // A token that this gateway has not seen yet, of the same session.
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(reason(stage.get("/users/me", &caller)).await, refused("SESSION_REVOKED"));
    assert_eq!(stage.get("/users/me", &other).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_over_here() {
    let stage = Stage::start().await;
    let caller = somebody();
    assert_eq!(stage.get("/users/me", &caller).send().await.unwrap().status(), 200);
    let revoked = SessionRevoked { session_id: caller.session_id.to_string(), user_id: caller.user_id.to_string() };
    stage.send(Channel::Sessions, Payload::SessionRevoked(revoked)).await;
    eventually(SOON, || async { reason(stage.get("/users/me", &caller)).await == refused("SESSION_REVOKED") }).await;
}

#[tokio::test]
async fn sessions_that_ended_while_nothing_was_heard_are_found_out() {
    let stage = Stage::start().await;
    let caller = somebody();
    assert_eq!(stage.get("/users/me", &caller).send().await.unwrap().status(), 200);
    stage.services.revoke(&caller);
    stage.live.interrupt().await;
    eventually(SOON, || async { reason(stage.get("/users/me", &caller)).await == refused("SESSION_REVOKED") }).await;
}

#[tokio::test]
async fn nobody_passes_for_another_by_headers() {
    let stage = Stage::start().await;
    let (caller, victim) = (somebody(), somebody());
    let spoofed = |request: reqwest::RequestBuilder| {
        request
            .header("godwit-user-id", victim.user_id.to_string())
            .header("godwit-session-id", victim.session_id.to_string())
            .header("godwit-device-id", victim.device_id.to_string())
            .header("godwit-client-address", "203.0.113.9")
            .header("x-forwarded-for", "203.0.113.9")
    };
    let me: Value = spoofed(stage.get("/users/me", &caller)).send().await.unwrap().json().await.unwrap();
    assert_eq!(me.pointer("/user/id").unwrap(), &caller.user_id.to_string());
    let refresh = spoofed(stage.http.post(stage.url("/auth/refresh")).body("{}"));
    assert_eq!(refresh.send().await.unwrap().status(), 200, "an open call has no caller");
    spoofed(stage.http.post(stage.url("/auth/register")).body("{}")).send().await.unwrap();
    assert_eq!(*stage.services.clients.lock(), [Some("127.0.0.1".parse().unwrap())]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_one_it_saw() {
    let stage = Stage::with(&["--gateway-trusted-proxies=1"]).await;
    let register = stage.http.post(stage.url("/auth/register")).body("{}");
    register.header("x-forwarded-for", "198.51.100.1, 203.0.113.9").send().await.unwrap();
    assert_eq!(*stage.services.clients.lock(), [Some("203.0.113.9".parse().unwrap())]);
}

#[tokio::test]
async fn an_open_route_takes_no_offence_at_an_old_token() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    stage.clock.set(stage.clock.now() + Duration::from_secs(3_600));
    let refresh = stage.http.post(stage.url("/auth/refresh")).bearer_auth(token).body("{}");
    assert_eq!(refresh.send().await.unwrap().status(), 200);
}
