//! What nobody should send. The answer is a clear error, never a 5xx, and nothing changes.

use futures_util::future::join_all;
use godwit_contract::v1::server_frame::Frame;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Account, Answer, Encoding, PASSWORD, Pair, Rest, Socket, embedded, fresh_uuid, send, separate};

/// A request, and the statuses of which one must come.
struct Case {
    what: String,
    request: RequestBuilder,
    statuses: &'static [u16],
}

fn case(what: impl Into<String>, request: RequestBuilder, statuses: &'static [u16]) -> Case {
    Case { what: what.into(), request, statuses }
}

/// Sends all of them, and tells of all that were not answered as they should.
async fn assert_refused(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for Case { what, request, statuses } in cases {
        let answer = send(request).await;
        if let Err(complaint) = check(&answer, statuses) {
            wrong.push(format!("{what}: {complaint}, expected {statuses:?}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn check(answer: &Answer, statuses: &[u16]) -> Result<(), String> {
    if !statuses.contains(&answer.status) {
        return Err("unexpected status".to_owned());
    }
    if !answer.content_type.starts_with("application/problem+json") {
        return Err("not a problem".to_owned());
    }
    let problem: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let given = |member: &str| problem[member].as_str().is_some_and(|text| !text.is_empty());
    let missing: Vec<_> =
        ["type", "title", "detail", "reason", "request_id"].into_iter().filter(|member| !given(member)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without {missing:?}")) }
}

/// Runs `attack` against two people's chat and sees that they notice nothing.
async fn assert_nothing_changes(pair: &Pair, attack: impl Future<Output = ()>) {
    let Pair { ada, bob, chat_id } = pair;
    ada.send(chat_id, "before", "Before").await;
    let (log, chats) = (bob.whole_log(chat_id).await, bob.rest.get("/chats").await.body);
    attack.await;
    assert_eq!(bob.whole_log(chat_id).await, log);
    assert_eq!(bob.rest.get("/chats").await.body, chats);
}

fn post(rest: &Rest, path: &str, body: &str) -> RequestBuilder {
    rest.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned())
}

fn get(rest: &Rest, path: &str) -> RequestBuilder {
    rest.request(Method::GET, path)
}

#[tokio::test]
async fn bodies_that_are_not_the_message_are_refused() {
    let pair = Pair::create(embedded().await).await;
    let Pair { ada, chat_id, .. } = &pair;
    let path = format!("/chats/{chat_id}/messages");
    let broken = |what: &str, body: &str| case(what, post(&ada.rest, &path, body), &[400]);
    let mut cases = vec![
        broken("empty", ""),
        broken("cut off", r#"{"client_message_id":"a","text":"#),
        broken("two documents", r#"{"client_message_id":"a","text":"x"}{}"#),
        broken("array", r#"[{"client_message_id":"a","text":"x"}]"#),
        broken("string", r#""text""#),
        broken("null", "null"),
        broken("unknown field", r#"{"client_message_id":"a","text":"x","admin":true}"#),
        broken("number for a string", r#"{"client_message_id":"a","text":1}"#),
        broken("object for a string", r#"{"client_message_id":"a","text":{}}"#),
        broken("field twice", r#"{"client_message_id":"a","text":"x","text":"y"}"#),
        broken("lone surrogate", r#"{"client_message_id":"a","text":"\ud800"}"#),
        broken("XML", "<text>x</text>"),
        broken("deep nesting", &format!(r#"{{"client_message_id":"a","text":{}"#, "[".repeat(100_000))),
    ];
    let raw = ada.rest.request(Method::POST, &path).header("content-type", "application/json");
    cases.push(case("not UTF-8", raw.body(b"{\"client_message_id\":\"a\",\"text\":\"\xff\xfe\"}".to_vec()), &[400]));
    let form = ada.rest.request(Method::POST, &path).header("content-type", "application/x-www-form-urlencoded");
    cases.push(case("form", form.body("client_message_id=a&text=x"), &[400, 415]));
    let huge = json!({"client_message_id": "a", "text": "x".repeat(300 * 1024)}).to_string();
    cases.push(case("over 256 KiB", post(&ada.rest, &path, &huge), &[413]));
    assert_nothing_changes(&pair, assert_refused(cases)).await;
}

#[tokio::test]
async fn messages_outside_the_limits_are_refused() {
    let pair = Pair::create(separate().await).await;
    let Pair { ada, chat_id, .. } = &pair;
    let path = format!("/chats/{chat_id}/messages");
    let sending = |what: &str, client_message_id: &str, text: &str| {
        let body = json!({"client_message_id": client_message_id, "text": text});
        case(what, post(&ada.rest, &path, &body.to_string()), &[400])
    };
    let cases = vec![
        sending("no text", "a", ""),
        sending("white space only", "a", " \n\t\u{a0}\u{2003}"),
        sending("too long", "a", &"ä".repeat(4_097)),
        sending("NUL", "a", "x\0y"),
        sending("no client id", "", "x"),
        sending("long client id", &"a".repeat(65), "x"),
        sending("odd client id", "a b", "x"),
        sending("NUL in client id", "a\0b", "x"),
        sending("client id of another alphabet", "ä", "x"),
    ];
    assert_nothing_changes(&pair, assert_refused(cases)).await;
    let longest = "𝄞".repeat(4_096);
    assert_eq!(ada.send(chat_id, &"z".repeat(64), &longest).await.text, longest);
}

#[tokio::test]
async fn odd_addresses_and_parameters_are_refused() {
    let pair = Pair::create(separate().await).await;
    let Pair { ada, chat_id, .. } = &pair;
    let asking = |path: String| case(path.clone(), get(&ada.rest, &path), &[400, 404]);
    let mut cases: Vec<Case> = [
        "/chats/1".to_owned(),
        "/chats/%00".to_owned(),
        "/chats/..%2f..%2fadmin".to_owned(),
        format!("/chats/{}", "a".repeat(4_000)),
        format!("/chats/{{{chat_id}}}"),
        format!("/chats/{}", chat_id.replace('-', "")),
        "/chats/%ff%fe/messages".to_owned(),
        "/messages/1".to_owned(),
        "/messages/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "/messages/%00".to_owned(),
        "/users/nobody".to_owned(),
        "/users/by-username/%00".to_owned(),
        "/users/by-username/no-such-user-here".to_owned(),
        format!("/chats/{chat_id}/messages?limit=-1"),
        format!("/chats/{chat_id}/messages?limit=many"),
        format!("/chats/{chat_id}/messages?limit=4294967296"),
        format!("/chats/{chat_id}/messages?before_seq=1&after_seq=1"),
        format!("/chats/{chat_id}/messages?before_seq=18446744073709551616"),
        format!("/chats/{chat_id}/sync?after_seq=-1"),
        format!("/chats/{chat_id}/sync?after_seq=0x10"),
        format!("/chats/{chat_id}/sync?after_seq=1e3"),
        format!("/chats/{chat_id}/sync?what=1"),
        "/chats?cursor=%00".to_owned(),
        "/chats?cursor=garbage".to_owned(),
        "/search/messages".to_owned(),
        format!("/search/messages?q={}", "a".repeat(257)),
        "/search/messages?q=a&cursor=garbage".to_owned(),
        "/search/messages?q=a&chat_id=1".to_owned(),
        "/search/messages?q=%00".to_owned(),
        "/media/1".to_owned(),
        "/calls/1".to_owned(),
        "/no/such/route".to_owned(),
    ]
    .map(asking)
    .into();
    cases.push(case("method", ada.rest.request(Method::DELETE, "/chats"), &[404, 405]));
    cases.push(case("sync cursor", post(&ada.rest, "/sync", r#"{"cursor":"garbage"}"#), &[400]));
    cases.push(case(
        "long cursor",
        post(&ada.rest, "/sync", &json!({"cursor": "A".repeat(100_000)}).to_string()),
        &[400],
    ));
    assert_nothing_changes(&pair, assert_refused(cases)).await;
}

#[tokio::test]
async fn search_takes_any_text_as_words() {
    let ada = Account::create(embedded().await, "ada").await;
    let texts =
        ["'", "\"", "\\", "a & !b", "!!!", ":*", "a <-> b", "((((", "%", "_", "-", "--", "\"a", "🦤", "\u{202e}abc"];
    for q in texts {
        let encoded: String = q.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = ada.rest.get(&format!("/search/messages?q={encoded}")).await;
        assert!(answer.status == 200 || answer.status == 400, "{q:?}: {answer:?}");
    }
}

#[tokio::test]
async fn accounts_outside_the_limits_are_refused() {
    let cluster = embedded().await;
    let rest = Rest::open(cluster.gateway());
    let good =
        json!({"email": "fine@example.org", "username": "fine_name", "password": PASSWORD, "display_name": "Fine"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        case(format!("{field} {body:.120}"), post(&rest, "/auth/register", &body.to_string()), &[400])
    };
    let cases = vec![
        with("email", json!("")),
        with("email", json!("nobody")),
        with("email", json!("a@b@c")),
        with("email", json!("a@example.org\r\nBcc: b@example.org")),
        with("email", json!("a\0@example.org")),
        with("email", json!(format!("{}@example.org", "a".repeat(250)))),
        with("username", json!("ab")),
        with("username", json!("a".repeat(33))),
        with("username", json!("with space")),
        with("username", json!("Ädä")),
        with("username", json!("nul\0nul")),
        with("password", json!("short12")),
        with("password", json!("a".repeat(73))),
        with("password", json!("ä".repeat(37))),
        with("display_name", json!("")),
        with("display_name", json!("   ")),
        with("display_name", json!("a".repeat(65))),
        with("display_name", json!("nul\0nul")),
    ];
    assert_refused(cases).await;
}

#[tokio::test]
async fn logins_that_are_wrong_are_refused_alike() {
    let cluster = embedded().await;
    let ada = Account::create(cluster, "ada").await;
    let rest = Rest::open(cluster.gateway());
    let device = json!({"id": fresh_uuid(), "name": "Device", "platform": "linux"});
    let login = |login: &str, password: &str| {
        let body = json!({"login": login, "password": password, "device": device});
        rest.post("/auth/login", body)
    };
    let wrong = login(&ada.email, "wrong password").await.problem(401);
    assert_eq!(login("nobody@example.org", "wrong password").await.problem(401), wrong);
    assert_eq!(login("no_such_user", PASSWORD).await.problem(401), wrong);

    let (username, _) = Account::register(cluster.gateway(), "unverified").await;
    let unverified = login(&username, PASSWORD).await;
    assert!((400..500).contains(&unverified.status), "{unverified:?}");
    assert_ne!(unverified.problem(unverified.status), wrong, "an unverified address is told with the right password");

    let body = |device: Value| json!({"login": ada.email, "password": PASSWORD, "device": device}).to_string();
    let cases = [
        json!(null),
        json!({"id": "1", "name": "Device", "platform": "linux"}),
        json!({"id": fresh_uuid(), "name": "", "platform": "linux"}),
        json!({"id": fresh_uuid(), "name": "a".repeat(65), "platform": "linux"}),
        json!({"id": fresh_uuid(), "name": "nul\0", "platform": "linux"}),
        json!({"id": fresh_uuid(), "name": "Device", "platform": "a".repeat(33)}),
    ]
    .map(|device| case(device.to_string(), post(&rest, "/auth/login", &body(device)), &[400]));
    assert_refused(cases.into()).await;
}

#[tokio::test]
async fn a_code_is_tried_a_few_times_only() {
    let cluster = embedded().await;
    let (_, email) = Account::register(cluster.gateway(), "guesser").await;
    let code = cluster.mailbox().code(&email).await;
    let rest = Rest::open(cluster.gateway());
    let verify = |code: &str| rest.post("/auth/verify-email", json!({"email": email, "code": code}));
    let other = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let refused = verify(other).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
        refused.problem(refused.status);
    }
    let late = verify(&code).await;
    assert!((400..500).contains(&late.status), "the right code came too late: {late:?}");
    let unknown = rest.post("/auth/verify-email", json!({"email": "no@example.org", "code": "123456"})).await;
    assert!((400..500).contains(&unknown.status), "{unknown:?}");
}

#[tokio::test]
async fn a_second_code_within_a_minute_is_refused_until_its_time() {
    let cluster = embedded().await;
    let (_, email) = Account::register(cluster.gateway(), "hasty").await;
    let refused = Rest::open(cluster.gateway()).post("/auth/resend-code", json!({"email": email})).await;
    refused.problem(429);
    let retry_after: u32 =
        refused.retry_after.as_deref().and_then(|seconds| seconds.parse().ok()).expect("Retry-After");
    assert!((1..=60).contains(&retry_after), "{retry_after}");
}

#[tokio::test]
async fn tokens_that_are_not_tokens_are_refused() {
    let cluster = separate().await;
    let pair = Pair::create(cluster).await;
    let token = &pair.ada.access_token;
    let mut forged = token.clone();
    // The middle is within the signed payload.
    let middle = forged.len() / 2;
    let other = if forged.as_bytes()[middle] == b'A' { "B" } else { "A" };
    forged.replace_range(middle..=middle, other);
    let tokens = [
        "garbage".to_owned(),
        "v4.public.".to_owned(),
        "v4.public.AAAA".to_owned(),
        token.replacen("v4.public", "v4.local", 1),
        token.replacen("v4", "v2", 1),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        forged,
        "v4.public.".to_owned() + &"A".repeat(6_000),
        pair.ada.refresh_token.clone(),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(),
    ];
    let rest = Rest::open(cluster.gateway());
    let mut cases = vec![case("no token", get(&rest, "/users/me"), &[401])];
    let basic = get(&rest, "/users/me").basic_auth("ada", Some(PASSWORD));
    cases.push(case("basic", basic, &[401]));
    cases.push(case("token in the query of REST", get(&rest, &format!("/users/me?token={token}")), &[400, 401]));
    for token in &tokens {
        let rest = rest.with_token(token);
        cases.push(case(token.clone(), get(&rest, "/users/me"), &[401]));
        let body = r#"{"client_message_id":"a","text":"x"}"#;
        cases.push(case(token.clone(), post(&rest, &format!("/chats/{}/messages", pair.chat_id), body), &[401]));
    }
    // Who a caller is comes from the token alone.
    let pretending = get(&rest, "/users/me")
        .header("x-godwit-user-id", &pair.ada.user_id)
        .header("godwit-user-id", &pair.ada.user_id)
        .header("x-user-id", &pair.ada.user_id);
    cases.push(case("identity headers", pretending, &[401]));
    assert_nothing_changes(&pair, async {
        assert_refused(cases).await;
        for token in tokens {
            assert_eq!(Socket::refused(cluster.gateway(), "/ws/me", Some(&token)).await, Some(4401), "{token:.60}");
        }
        assert_eq!(Socket::refused(cluster.gateway(), "/ws/me", None).await, Some(4401));
    })
    .await;
}

#[tokio::test]
async fn a_stranger_does_not_even_learn_that_a_chat_exists() {
    let cluster = separate().await;
    let pair = Pair::create(cluster).await;
    let eve = Account::create(cluster, "eve").await;
    let message = pair.ada.send(&pair.chat_id, "secret", "A secret").await;
    let unknown = fresh_uuid();
    let reasons = async |chat_id: &str| {
        let paths =
            [format!("/chats/{chat_id}"), format!("/chats/{chat_id}/messages"), format!("/chats/{chat_id}/sync")];
        let mut reasons = join_all(paths.iter().map(async |path| eve.rest.get(path).await.problem(404))).await;
        reasons.push(eve.try_send(chat_id, "intruder", "Hello").await.problem(404));
        let mut socket = eve.connect(Encoding::Json).await;
        socket.send_message("1", chat_id, "intruder", "Hello").await;
        let Frame::Error(error) = socket.answer("1").await else { panic!("the message was not refused") };
        assert_eq!(error.status, 404);
        reasons.push(error.reason);
        reasons
    };
    assert_nothing_changes(&pair, async {
        assert_eq!(reasons(&pair.chat_id).await, reasons(&unknown).await);
        eve.rest.get(&format!("/messages/{}", message.id)).await.problem(404);
        eve.rest.post("/chats", json!({"user_id": fresh_uuid()})).await.problem(404);
        let create = json!({"callee_id": pair.ada.user_id, "media": "CALL_MEDIA_VOICE", "call_id": fresh_uuid()});
        let refused = eve.rest.post("/calls", create).await;
        assert!([403, 404].contains(&refused.status), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn broken_frames_are_answered_and_the_connection_lives_on() {
    let pair = Pair::create(separate().await).await;
    let Pair { ada, chat_id, .. } = &pair;
    let mut json_socket = ada.connect(Encoding::Json).await;
    let texts = [
        "",
        "{",
        "[]",
        "null",
        r#"{"id":"x"}"#,
        r#"{"id":"x","send_message":5}"#,
        r#"{"id":"x","fly":{}}"#,
        r#"{"id":5,"sync":{}}"#,
        r#"{"id":"x","send_message":{"chat_id":"1","client_message_id":"a","text":"x"}}"#,
        r#"{"id":"x","send_message":{},"pong":{}}"#,
        r#"{"id":"x","refresh":{"access_token":"garbage"}}"#,
        r#"{"id":"x","sync":{"cursors":[{"chat_id":"1"}]}}"#,
    ];
    assert_nothing_changes(&pair, async {
        for text in texts {
            json_socket.send_raw(Message::text(text)).await;
            assert_error(&mut json_socket, text).await;
        }
        let mut binary_socket = ada.connect(Encoding::Binary).await;
        for bytes in [&b"\xff\xff\xff\xff"[..], &[0x12, 0x7f, 0x00], &[0x0a, 0x02, 0xff, 0xfe]] {
            binary_socket.send_raw(Message::binary(bytes.to_vec())).await;
            assert_error(&mut binary_socket, &format!("{bytes:?}")).await;
        }
    })
    .await;
    json_socket.send_message("ok", chat_id, "after-all", "Still here").await;
    assert!(matches!(json_socket.answer("ok").await, Frame::Ack(_)));
}

async fn assert_error(socket: &mut Socket, sent: &str) {
    let what = format!("error for {sent:?}");
    let error = socket.until(&what, |frame| match frame.frame {
        Some(Frame::Error(error)) => Some(error),
        _ => None,
    });
    let error = error.await;
    assert!((400..500).contains(&error.status) && !error.reason.is_empty(), "{sent:?}: {error:?}");
}

#[tokio::test]
async fn a_frame_that_is_too_big_closes_the_connection() {
    let pair = Pair::create(separate().await).await;
    assert_nothing_changes(&pair, async {
        for encoding in [Encoding::Json, Encoding::Binary] {
            let mut socket = pair.ada.connect(encoding).await;
            let text = "x".repeat(70 * 1024);
            socket.send_message("1", &pair.chat_id, "too-big", &text).await;
            assert_eq!(socket.closed().await.code, Some(4413), "{encoding:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_site_cannot_open_a_socket() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let cluster = embedded().await;
    let ada = Account::create(cluster, "ada").await;
    let url = format!("{}/ws/me?token={}", cluster.gateway().replacen("http", "ws", 1), ada.access_token);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await;
    let Err(tungstenite::Error::Http(response)) = refused else { panic!("the handshake was not refused: {refused:?}") };
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn a_path_that_is_not_a_chat_of_ones_own_opens_no_socket() {
    let pair = Pair::create(embedded().await).await;
    let cluster = embedded().await;
    let eve = Account::create(cluster, "eve").await;
    let refused = async |path: &str| Socket::refused(cluster.gateway(), path, Some(&eve.access_token)).await;
    let foreign = refused(&format!("/ws/{}", pair.chat_id)).await;
    assert_eq!(foreign, Some(4403));
    assert_eq!(refused(&format!("/ws/{}", fresh_uuid())).await, foreign, "a chat that is not there looks the same");
    for path in ["/ws/1", "/ws/", "/ws/me/more"] {
        assert_eq!(refused(path).await, None, "{path}");
    }
}
