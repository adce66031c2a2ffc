use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::stage::{Stage, elsewhere, somebody};

/// What a request comes to: status and reason, and that the answer is a whole problem document.
async fn problem(request: reqwest::RequestBuilder) -> (u16, String, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    assert_eq!(headers.get("content-type").unwrap(), "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem.get("status").unwrap(), status);
    assert_eq!(problem.get("request_id").unwrap(), headers.get("x-request-id").unwrap().to_str().unwrap());
    for member in ["type", "title", "detail"] {
        assert!(problem.get(member).unwrap().is_string(), "{member} in {problem}");
    }
    (status, problem.get("reason").unwrap().as_str().unwrap().to_owned(), problem)
}

#[tokio::test]
async fn bad_requests_are_problems_and_never_failures_of_ours() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    let large = format!(r#"{{"login":"{}"}}"#, "x".repeat(256 * 1024));
    for (method, path, body, expected) in [
        ("GET", "/nowhere", "", (404, "ROUTE_NOT_FOUND")),
        ("GET", "/v1", "", (404, "ROUTE_NOT_FOUND")),
        ("GET", "/v2/chats", "", (404, "ROUTE_NOT_FOUND")),
        ("GET", "/users/", "", (404, "ROUTE_NOT_FOUND")),
        ("POST", "/godwit.auth.v1.AuthInternalService/GetUsers", "{}", (404, "ROUTE_NOT_FOUND")),
        ("PUT", "/chats", "{}", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/auth/login", "", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/health/live", "", (405, "METHOD_NOT_ALLOWED")),
        ("DELETE", "/docs", "", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/auth/login", "{", (400, "MALFORMED_JSON")),
        ("POST", "/auth/login", "nonsense", (400, "MALFORMED_JSON")),
        ("POST", "/auth/login", r#"{"nope":1}"#, (400, "INVALID_ARGUMENT")),
        ("POST", "/auth/login", r#"{"login":7}"#, (400, "INVALID_ARGUMENT")),
        ("POST", "/auth/login", "[]", (400, "INVALID_ARGUMENT")),
        ("POST", "/auth/login", r#"{"login":"a","login":"b"}"#, (400, "INVALID_ARGUMENT")),
        ("GET", "/chats?limit=x", "", (400, "INVALID_ARGUMENT")),
        ("GET", "/chats?nope=1", "", (400, "INVALID_ARGUMENT")),
        ("GET", "/users/%ff", "", (400, "INVALID_ARGUMENT")),
        ("POST", "/auth/login", &large, (413, "BODY_TOO_LARGE")),
        ("GET", "/ws/me", "", (426, "UPGRADE_REQUIRED")),
        ("GET", "/ws/nonsense", "", (404, "ROUTE_NOT_FOUND")),
    ] {
        let request = stage.http.request(Method::from_bytes(method.as_bytes()).unwrap(), stage.url(path));
        let (status, reason, _) = problem(request.bearer_auth(&token).body(body.to_owned())).await;
        assert_eq!((status, reason.as_str()), expected, "{method} {path} {}", body.get(..40).unwrap_or(body));
    }
}

#[tokio::test]
async fn a_member_that_a_request_does_not_have_is_named() {
    let stage = Stage::start().await;
    let token = stage.token(&somebody());
    for (path, body, field) in [
        ("/auth/login", r#"{"login":"a","pasword":"b"}"#, "pasword"),
        ("/auth/login", r#"{"device":{"colour":1}}"#, "colour"),
        ("/chats?lmit=3", "", "lmit"),
    ] {
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        let request = stage.http.request(method, stage.url(path)).bearer_auth(&token);
        let (status, _, problem) = problem(request.body(body)).await;
        assert_eq!((status, problem.pointer("/errors/0/field").unwrap().as_str()), (400, Some(field)), "{problem}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let stage = Stage::start().await;
    for (path, allow) in [("/chats", "GET, POST"), ("/v1/sync", "POST"), ("/health/ready", "GET")] {
        let response = stage.http.delete(stage.url(path)).send().await.unwrap();
        assert_eq!(response.headers().get("allow").unwrap(), allow, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_service_keeps_its_reason_fields_and_pause() {
    let stage = Stage::start().await;
    let register =
        |username: &str| stage.http.post(stage.url("/auth/register")).body(format!(r#"{{"username":"{username}"}}"#));
    for (username, expected) in [
        ("taken", (409, "EMAIL_TAKEN")),
        ("invalid", (400, "INVALID_ARGUMENT")),
        ("busy", (429, "BUSY")),
        ("away", (503, "UNAVAILABLE")),
        ("broken", (500, "INTERNAL")),
    ] {
        let (status, reason, problem) = problem(register(username)).await;
        assert_eq!((status, reason.as_str()), expected);
        let text = problem.to_string();
        assert!(!text.contains("10.1.2.3") && !text.contains("table"), "{text}");
    }
    let (_, _, invalid) = problem(register("invalid")).await;
    assert_eq!(invalid.pointer("/errors/0/field").unwrap(), "username");
    for (username, secs) in [("busy", "7"), ("away", "1")] {
        let response = register(username).send().await.unwrap();
        assert_eq!(response.headers().get("retry-after").unwrap(), secs);
    }
}

#[tokio::test]
async fn what_is_made_is_201_and_both_prefixes_serve_it() {
    let stage = Stage::start().await;
    let caller = somebody();
    for prefix in ["", "/v1"] {
        let created = stage.http.post(stage.url(&format!("{prefix}/auth/register"))).body("{}").send().await.unwrap();
        assert_eq!(created.status(), 201);
        assert_eq!(created.headers().get("content-type").unwrap(), "application/json");
        let body: Value = created.json().await.unwrap();
        assert_eq!(body.get("code_expires_in_secs").unwrap(), 900);
        assert_eq!(stage.get(&format!("{prefix}/chats"), &caller).send().await.unwrap().status(), 200);
    }
    let sent = stage.http.post(stage.url("/chats/0190c8c0-0000-7000-8000-000000000001/messages"));
    let sent = sent.bearer_auth(stage.token(&caller)).body(r#"{"client_message_id":"c1","text":"hi"}"#);
    let sent = sent.send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let message: Value = sent.json().await.unwrap();
    assert_eq!(message.pointer("/message/seq").unwrap(), "1", "64-bit numbers are strings");
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let stage = Stage::with(&["--gateway-requests-per-sec=1", "--gateway-open-requests-per-sec=1"]).await;
    let (greedy, modest) = (somebody(), somebody());
    let header =
        |response: &reqwest::Response, name| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    for left in ["2", "1", "0"] {
        let answer = stage.get("/chats", &greedy).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "ratelimit-policy"), r#""read-device";q=3;w=4"#);
        assert!(header(&answer, "ratelimit").starts_with(&format!(r#""read-device";r={left};t="#)));
    }
    let refused = stage.get("/chats", &greedy).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_str()), (429, "2"));
    assert_eq!(header(&refused, "ratelimit"), r#""read-device";r=0;t=4"#);
    // Another device of the same user has what this one had to leave.
    assert_eq!(stage.get("/chats", &elsewhere(&greedy)).send().await.unwrap().status(), 200);
    let refused = stage.get("/chats", &elsewhere(&greedy)).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), header(&refused, "ratelimit-policy").as_str()), (429, r#""read";q=4;w=4"#));
    assert_eq!(stage.get("/chats", &modest).send().await.unwrap().status(), 200);
    for _ in 0..4 {
        assert_eq!(stage.http.get(stage.url("/auth/keys")).send().await.unwrap().status(), 200);
    }
    let (status, reason, _) = problem(stage.http.get(stage.url("/auth/keys"))).await;
    assert_eq!((status, reason.as_str()), (429, "RATE_LIMITED"));
}

#[tokio::test]
async fn classes_of_routes_have_limits_of_their_own() {
    let stage = Stage::with(&["--gateway-requests-per-sec=100", "--gateway-class-rates=write=1"]).await;
    let caller = somebody();
    let block = |id: u32| {
        let path = format!("/users/0190c8c0-0000-7000-8000-{id:012}/block");
        stage.http.post(stage.url(&path)).bearer_auth(stage.token(&caller)).body("{}")
    };
    for id in 0..3 {
        assert_ne!(block(id).send().await.unwrap().status(), 429);
    }
    let (status, reason, _) = problem(block(3)).await;
    assert_eq!((status, reason.as_str()), (429, "RATE_LIMITED"));
    let read = stage.get("/chats", &caller).send().await.unwrap();
    assert_eq!(
        (read.status().as_u16(), read.headers().get("ratelimit-policy").unwrap().to_str().unwrap()),
        (200, r#""read-device";q=300;w=4"#)
    );
    // What is no call of the API is not counted.
    let page = stage.http.get(stage.url("/openapi.json")).send().await.unwrap();
    assert!(page.headers().get("ratelimit").is_none());
}

#[tokio::test]
async fn a_gateway_that_is_full_says_so() {
    let stage = Stage::with(&["--gateway-max-requests=1"]).await;
    let caller = somebody();
    let url = stage.url("/chats/0190c8c0-0000-7000-8000-000000000001/messages");
    let slow = stage.http.post(&url).bearer_auth(stage.token(&caller)).body(r#"{"text":"wait"}"#);
    let (slow, refused) = tokio::join!(slow.send(), async {
        stage.services.held.notified().await;
        let refused = stage.get("/chats", &caller).send().await.unwrap();
        stage.services.sends.add_permits(1);
        refused
    });
    assert_eq!(refused.status(), 503);
    assert_eq!(slow.unwrap().status(), 201);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused.get("reason").unwrap(), "OVERLOADED");
}

#[tokio::test]
async fn a_flood_of_logins_is_shed_and_stops_nothing_else() {
    let stage = Stage::with(&["--gateway-login-requests-per-sec=1"]).await;
    let post = |path: &str| stage.http.post(stage.url(path)).body("{}");
    for path in ["/auth/login", "/auth/register", "/auth/password/forgot", "/auth/2fa/verify"] {
        assert!(post(path).send().await.unwrap().status().is_success(), "{path}");
    }
    let costly = ["/auth/verify-email", "/auth/resend-code", "/auth/password/reset", "/v1/auth/login", "/auth/login"];
    for path in costly {
        let (status, reason, told) = problem(post(path)).await;
        assert_eq!((status, reason.as_str()), (429, "RATE_LIMITED"), "{path}");
        assert_eq!(told.get("retry_after_secs").unwrap(), 1);
    }
    assert_eq!(stage.http.get(stage.url("/auth/keys")).send().await.unwrap().status(), 200);
    assert_eq!(post("/auth/refresh").send().await.unwrap().status(), 200);
    let caller = somebody();
    assert_eq!(stage.get("/chats", &caller).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_delete_carries_its_proof_in_a_body() {
    let stage = Stage::start().await;
    let delete = |path: &str, body: &str| {
        let request = stage.http.delete(stage.url(path)).bearer_auth(stage.token(&somebody()));
        request.header("content-type", "application/json").body(body.to_owned())
    };
    let two_factor = delete("/auth/2fa", r#"{"password":"correct horse","code":"123456"}"#);
    assert_eq!(two_factor.send().await.unwrap().status(), 200);
    assert_eq!(delete("/v1/users/me", r#"{"password":"battery"}"#).send().await.unwrap().status(), 200);
    assert_eq!(*stage.services.proofs.lock(), ["correct horse 123456", "battery"]);
    let (status, reason, told) = problem(delete("/users/me", "")).await;
    assert_eq!((status, reason.as_str()), (400, "INVALID_ARGUMENT"));
    assert_eq!(told.pointer("/errors/0/field").unwrap(), "password", "without a body it has no password");
    assert_eq!(problem(delete("/users/me", "{")).await.1, "MALFORMED_JSON");
}

#[tokio::test]
async fn a_storm_of_syncs_waits_in_line_and_stops_nothing_else() {
    let stage = Stage::with(&["--gateway-max-syncs=1", "--gateway-requests-per-sec=1000"]).await;
    let caller = somebody();
    let sync = || stage.http.post(stage.url("/sync")).bearer_auth(stage.token(&caller)).body(r#"{"cursor":"wait"}"#);
    // One is served, sixteen wait, the others are refused.
    let mut storm: JoinSet<_> = (0..20).map(|_| sync().send()).collect();
    let mut refused = Vec::new();
    while refused.len() < 3 {
        refused.push(storm.join_next().await.unwrap().unwrap().unwrap());
    }
    for answer in refused {
        assert_eq!(answer.status(), 503);
        let pause: u64 = answer.headers().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&pause), "{pause}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem.get("reason").unwrap(), "OVERLOADED");
    }
    assert_eq!(stage.get("/chats", &caller).send().await.unwrap().status(), 200);
    stage.services.syncs.add_permits(17);
    for answer in storm.join_all().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
}
