//! What accounts mean to everything else: blocks, privacy, sessions.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use godwit_contract::auth::v1::{AddFriendResponse, GetUserResponse, ListSessionsResponse, LoginResponse};
use godwit_contract::media::v1::{CompleteUploadResponse, CreateUploadResponse, GetMediaUrlResponse};
use godwit_contract::presence::v1::GetPresenceResponse;
use godwit_contract::v1::PresenceStatus;
use godwit_contract::v1::server_frame::Frame;
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Account, Encoding, OwnServers, PASSWORD, Pair, Rest, Socket, embedded, fresh_uuid, separate};

const SOON: Duration = Duration::from_secs(30);
/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn a_block_holds_when_its_call_returns_in_one_process() {
    a_block_holds_when_its_call_returns(embedded().await).await;
}

#[tokio::test]
async fn a_block_holds_when_its_call_returns_over_separate_services() {
    a_block_holds_when_its_call_returns(separate().await).await;
}

async fn a_block_holds_when_its_call_returns(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let mut bobs = bob.connect(Encoding::Json).await;
    // Both have written, so every cache along the way knows that they may.
    ada.send(&chat_id, "before-1", "Hello").await;
    bob.send(&chat_id, "before-2", "Hello").await;

    for (blocker, blocked) in [(&ada, &bob), (&bob, &ada)] {
        let path = format!("/users/{}/block", blocked.user_id);
        blocker.rest.post(&path, json!({})).await.ok::<Value>();
        for person in [blocker, blocked] {
            let refused = person.try_send(&chat_id, &fresh_uuid(), "May I?").await;
            assert_eq!(refused.problem(403), "BLOCKED");
        }
        bobs.send_message("9", &chat_id, &fresh_uuid(), "And by socket?").await;
        let Frame::Error(refused) = bobs.answer("9").await else { panic!("the message was taken") };
        assert_eq!((refused.status, refused.reason.as_str()), (403, "BLOCKED"));
        for (viewer, other) in [(&ada, &bob), (&bob, &ada)] {
            let call = json!({"callee_id": other.user_id, "media": "CALL_MEDIA_VOICE", "call_id": fresh_uuid()});
            assert_eq!(viewer.rest.post("/calls", call).await.problem(403), "BLOCKED");
            let seen: GetPresenceResponse = viewer.rest.get(&format!("/users/{}/presence", other.user_id)).await.ok();
            let seen = seen.presence.unwrap();
            assert_eq!((seen.status(), seen.last_seen_at), (PresenceStatus::Unspecified, None));
            let add = viewer.rest.post(&format!("/friends/add/{}", other.user_id), json!({})).await;
            assert_eq!(add.problem(403), "BLOCKED");
        }
        blocker.rest.delete(&path).await.ok::<Value>();
        for person in [&ada, &bob] {
            person.send(&chat_id, &fresh_uuid(), "Again!").await;
        }
    }
}

#[tokio::test]
async fn privacy_decides_who_may_begin_to_talk_and_who_sees_what_in_one_process() {
    privacy_decides_who_may_begin_to_talk_and_who_sees_what(embedded().await).await;
}

#[tokio::test]
async fn privacy_decides_who_may_begin_to_talk_and_who_sees_what_over_separate_services() {
    privacy_decides_who_may_begin_to_talk_and_who_sees_what(separate().await).await;
}

async fn privacy_decides_who_may_begin_to_talk_and_who_sees_what(cluster: &TestCluster) {
    let (ada, friend, stranger) =
        tokio::join!(Account::create(cluster, "ada"), Account::create(cluster, "bob"), Account::create(cluster, "eve"));
    let avatar = upload_image(&ada).await;
    ada.rest.put("/users/me/avatar", json!({"media_id": avatar})).await.ok::<Value>();
    assert!(can_see_avatar(&stranger, &ada, &avatar).await);
    befriend(&ada, &friend).await;

    let friends = json!({"privacy": {
        "last_seen": "AUDIENCE_FRIENDS", "avatar": "AUDIENCE_FRIENDS", "messages": "AUDIENCE_FRIENDS", "calls": "AUDIENCE_FRIENDS"
    }});
    ada.rest.patch("/users/me/privacy", friends).await.ok::<Value>();
    let _adas = ada.connect(Encoding::Json).await;

    assert!(can_see_avatar(&friend, &ada, &avatar).await);
    let chat_id = friend.chat_with(&ada).await.id;
    friend.send(&chat_id, "1", "Hello, friend").await;
    let online = eventually(SOON, || async {
        let seen: GetPresenceResponse = friend.rest.get(&format!("/users/{}/presence", ada.user_id)).await.ok();
        seen.presence.filter(|presence| presence.status() == PresenceStatus::Online)
    });
    online.await;

    assert!(!can_see_avatar(&stranger, &ada, &avatar).await);
    assert_eq!(stranger.rest.post("/chats", json!({"user_id": ada.user_id})).await.problem(403), "PRIVACY");
    let call = json!({"callee_id": ada.user_id, "media": "CALL_MEDIA_VOICE", "call_id": fresh_uuid()});
    assert_eq!(stranger.rest.post("/calls", call).await.problem(403), "PRIVACY");
    let seen: GetPresenceResponse = stranger.rest.get(&format!("/users/{}/presence", ada.user_id)).await.ok();
    assert_eq!(seen.presence.unwrap().status(), PresenceStatus::Unspecified);
}

/// Both ask; the requests cross.
async fn befriend(one: &Account, other: &Account) {
    for (from, to) in [(one, other), (other, one)] {
        from.rest.post(&format!("/friends/add/{}", to.user_id), json!({})).await;
    }
    let answer = one.rest.post(&format!("/friends/add/{}", other.user_id), json!({})).await;
    let again: AddFriendResponse = serde_json::from_slice(&answer.body).unwrap();
    assert!(again.relationship.unwrap().is_friend, "{answer:?}");
}

async fn can_see_avatar(viewer: &Account, of: &Account, media_id: &str) -> bool {
    let seen: GetUserResponse = viewer.rest.get(&format!("/users/{}", of.user_id)).await.ok();
    let is_named = !seen.user.unwrap().avatar_media_id.is_empty();
    let answer = viewer.rest.get(&format!("/media/{media_id}/url")).await;
    if answer.status == 404 {
        assert!(!is_named, "who cannot fetch an avatar is not told of it");
        return false;
    }
    assert!(is_named);
    let fetched = godwit_testkit::http_client().get(answer.ok::<GetMediaUrlResponse>().url).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), pixel());
    true
}

fn pixel() -> Vec<u8> {
    BASE64.decode(PIXEL).unwrap()
}

async fn upload_image(owner: &Account) -> String {
    let size_bytes = pixel().len().to_string();
    let announced = json!({"file_name": "me.png", "content_type": "image/png", "size_bytes": size_bytes});
    let upload: CreateUploadResponse = owner.rest.post("/media/uploads", announced).await.created();
    let mut put = godwit_testkit::http_client().request(Method::PUT, &upload.upload_url).body(pixel());
    for (name, value) in &upload.upload_headers {
        put = put.header(name, value);
    }
    assert!(put.send().await.unwrap().status().is_success());
    let id = upload.media.unwrap().id;
    owner.rest.post(&format!("/media/uploads/{id}/complete"), json!({})).await.ok::<CompleteUploadResponse>();
    id
}

#[tokio::test]
async fn an_ended_session_is_out_at_every_gateway() {
    let cluster = separate().await;
    let ada = Account::create(cluster, "ada").await;
    for end in ["one", "all", "password"] {
        let tablet = Account::log_in(cluster.other_gateway(), &ada.username, &ada.email).await;
        let phone = Account::log_in(cluster.gateway(), &ada.username, &ada.email).await;
        let mut sockets =
            [tablet.connect(Encoding::Json).await, tablet.connect_at(cluster.gateway(), Encoding::Binary).await];
        match end {
            "one" => {
                let sessions: ListSessionsResponse = phone.rest.get("/auth/sessions").await.ok();
                let session = sessions.sessions.iter().find(|s| s.device.as_ref().unwrap().id == tablet.device_id);
                let path = format!("/auth/sessions/{}", session.unwrap().id);
                phone.rest.delete(&path).await.ok::<Value>();
            }
            "all" => drop(phone.rest.post("/auth/logout-all", json!({})).await.ok::<Value>()),
            _ => {
                let change = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
                phone.rest.post("/users/me/password", change).await.ok::<Value>();
            }
        }
        let ended_at = Instant::now();
        for socket in &mut sockets {
            assert_eq!(socket.closed().await.code, Some(4401));
        }
        tell(&format!("ended by {end}: sockets at two gateways closed after {:?}", ended_at.elapsed()));
        for gateway in [cluster.gateway(), cluster.other_gateway()] {
            assert_eq!(tablet.rest.at(gateway).get("/users/me").await.problem(401), "SESSION_REVOKED");
        }
        let refresh = json!({"refresh_token": tablet.refresh_token});
        assert_eq!(Rest::open(cluster.gateway()).post("/auth/refresh", refresh).await.problem(401), "SESSION_REVOKED");
    }
}

/// A figure for who reads the output: no test fails by the clock.
fn tell(figure: &str) {
    std::io::stderr().write_all(format!("{figure}\n").as_bytes()).unwrap();
}

#[tokio::test]
async fn an_ended_session_is_out_although_redis_was_restarted_meanwhile() {
    let servers = OwnServers::start(&["redis"]);
    let redis = servers.variable("GODWIT_TEST_REDIS_URL");
    let cluster = ClusterOptions::new(Shape::Separate).variable("GODWIT_REDIS_URL", redis).start().await;
    let ada = Account::create(&cluster, "ada").await;
    for is_back in [false, true] {
        let tablet = Account::log_in(cluster.other_gateway(), &ada.username, &ada.email).await;
        // For a moment after Redis was gone a gateway turns sockets away.
        let connect = async || {
            let mut socket = Socket::open(cluster.other_gateway(), &tablet.access_token, Encoding::Json).await;
            socket.try_connected().await.map(|_| socket)
        };
        let mut socket = eventually(SOON, connect).await;
        servers.stack("down", &["redis"]);
        let sessions: ListSessionsResponse = ada.rest.get("/auth/sessions").await.ok();
        let session = sessions.sessions.iter().find(|s| s.device.as_ref().unwrap().id == tablet.device_id).unwrap();
        let path = format!("/auth/sessions/{}", session.id);
        let answer = ada.rest.delete(&path);
        let (answer, ()) = tokio::join!(answer, async {
            if is_back {
                servers.stack("up", &["redis"]);
            }
        });
        answer.ok::<Value>();
        let ended_at = Instant::now();
        assert_eq!(socket.closed().await.code, Some(4401));
        tell(&format!("closed after {:?}; Redis is back: {is_back}", ended_at.elapsed()));
        if !is_back {
            servers.stack("up", &["redis"]);
        }
    }
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let cluster = separate().await;
    let ada = Account::create(cluster, "ada").await;
    let mut socket = ada.connect(Encoding::Json).await;
    let before = cluster.mailbox().mails(&ada.email).len();
    let open = Rest::open(cluster.gateway());
    open.post("/auth/password/forgot", json!({"email": ada.email})).await.ok::<Value>();
    let token =
        eventually(SOON, || async { cluster.mailbox().mails(&ada.email)[before..].iter().find_map(reset_token) });
    let reset = json!({"token": token.await, "new_password": "quite another password"});
    open.post("/auth/password/reset", reset.clone()).await.ok::<Value>();
    assert_eq!(socket.closed().await.code, Some(4401));
    assert_eq!(open.post("/auth/password/reset", reset).await.problem(400), "RESET_TOKEN_INVALID");

    let log_in = |password: &str| {
        let device = json!({"id": fresh_uuid(), "name": "Phone", "platform": "linux"});
        let body = json!({"login": ada.username, "password": password, "device": device});
        let open = open.clone();
        async move { open.post("/auth/login", body).await }
    };
    assert_eq!(log_in(PASSWORD).await.problem(401), "BAD_CREDENTIALS");
    assert!(log_in("quite another password").await.ok::<LoginResponse>().tokens.is_some());
}

/// The longest word of base64url.
pub fn reset_token(mail: &godwit_testkit::Mail) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = mail.text.split(|c: char| !is_part(c)).filter(|word| word.len() >= 43);
    words.max_by_key(|word| word.len()).map(str::to_owned)
}
