//! One slice of each of the other services, through the gateway.

use std::time::Duration;

use godwit_contract::call::v1::{AcceptCallResponse, CreateCallResponse, EndCallResponse, GetCallResponse};
use godwit_contract::media::v1::{
    CompleteUploadResponse, CreateUploadResponse, GetMediaResponse, GetMediaUrlResponse, MediaState,
};
use godwit_contract::presence::v1::GetPresenceResponse;
use godwit_contract::search::v1::SearchMessagesResponse;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{Call, CallState, Presence, PresenceStatus};
use godwit_testkit::{TestCluster, eventually};
use reqwest::Method;
use serde_json::json;

use crate::support::{Account, Encoding, Pair, Rest, Socket, embedded, fresh_uuid, separate};

/// What comes by the event stream or by a lease may take this long.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn presence_is_seen_by_the_other_party_in_one_process() {
    presence_is_seen_by_the_other_party(embedded().await).await;
}

#[tokio::test]
async fn presence_is_seen_by_the_other_party_over_separate_services() {
    presence_is_seen_by_the_other_party(separate().await).await;
}

async fn presence_is_seen_by_the_other_party(cluster: &TestCluster) {
    let Pair { ada, bob, .. } = Pair::create(cluster).await;
    let stranger = Account::create(cluster, "eve").await;
    let mut adas = ada.connect(Encoding::Json).await;
    wait_for_presence(&bob, &ada, PresenceStatus::Online).await;

    let bobs = bob.connect(Encoding::Binary).await;
    assert_eq!(next_presence(&mut adas, &bob).await.status(), PresenceStatus::Online);
    wait_for_presence(&ada, &bob, PresenceStatus::Online).await;
    drop(bobs);
    let gone = next_presence(&mut adas, &bob).await;
    assert_eq!(gone.status(), PresenceStatus::Offline);
    assert!(gone.last_seen_at.is_some());
    let known = wait_for_presence(&ada, &bob, PresenceStatus::Offline).await;
    assert_eq!(known.last_seen_at, gone.last_seen_at);

    // As long as her privacy lets everyone see it.
    wait_for_presence(&stranger, &ada, PresenceStatus::Online).await;
    assert_eq!(stranger.rest.get(&format!("/users/{}/presence", fresh_uuid())).await.problem(404), "USER_NOT_FOUND");
}

/// Joins and leaves travel in batches.
async fn wait_for_presence(viewer: &Account, other: &Account, status: PresenceStatus) -> Presence {
    let seen = eventually(SOON, || async {
        let answer = viewer.rest.get(&format!("/users/{}/presence", other.user_id)).await;
        let presence = answer.ok::<GetPresenceResponse>().presence.expect("a presence is returned");
        if presence.status() == status { Ok(presence) } else { Err(presence) }
    });
    seen.await
}

async fn next_presence(socket: &mut Socket, of: &Account) -> Presence {
    let presence = socket.until("presence", |frame| match frame.frame {
        Some(Frame::Presence(presence)) if presence.user_id == of.user_id => Some(presence),
        _ => None,
    });
    presence.await
}

#[tokio::test]
async fn messages_are_found_by_members_only_in_one_process() {
    messages_are_found_by_members_only(embedded().await).await;
}

#[tokio::test]
async fn messages_are_found_by_members_only_over_separate_services() {
    messages_are_found_by_members_only(separate().await).await;
}

async fn messages_are_found_by_members_only(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let stranger = Account::create(cluster, "eve").await;
    let word = godwit_testkit::unique("zebra");
    let message = ada.send(&chat_id, "found", &format!("The {word} crossed the road")).await;
    ada.send(&chat_id, "other", "Nothing of the kind").await;

    for member in [&ada, &bob] {
        let hit = eventually(SOON, || async { find(member, &word).await.pop() }).await;
        assert_eq!(hit, message);
    }
    assert!(find(&stranger, &word).await.is_empty());
    let elsewhere = format!("/search/messages?q={word}&chat_id={chat_id}");
    let answer = stranger.rest.get(&elsewhere).await;
    assert!(answer.status == 404 || answer.ok::<SearchMessagesResponse>().messages.is_empty(), "{answer:?}");
}

async fn find(person: &Account, q: &str) -> Vec<godwit_contract::v1::Message> {
    person.rest.get(&format!("/search/messages?q={q}")).await.ok::<SearchMessagesResponse>().messages
}

#[tokio::test]
async fn an_uploaded_object_comes_back_as_it_was_in_one_process() {
    an_uploaded_object_comes_back_as_it_was(embedded().await).await;
}

#[tokio::test]
async fn an_uploaded_object_comes_back_as_it_was_over_separate_services() {
    an_uploaded_object_comes_back_as_it_was(separate().await).await;
}

async fn an_uploaded_object_comes_back_as_it_was(cluster: &TestCluster) {
    let (ada, stranger) = tokio::join!(Account::create(cluster, "ada"), Account::create(cluster, "eve"));
    let content = "not really a picture, but bytes all the same\n".repeat(2_000).into_bytes();
    let announced = json!({"file_name": "Ünïcode \"name\".png", "content_type": "application/octet-stream", "size_bytes": content.len().to_string()});
    let upload: CreateUploadResponse = ada.rest.post("/media/uploads", announced).await.created();
    let id = upload.media.unwrap().id;
    ada.rest.post(&format!("/media/uploads/{id}/complete"), json!({})).await.problem(409);

    let http = godwit_testkit::http_client();
    let mut put = http.request(Method::PUT, &upload.upload_url).body(content.clone());
    for (name, value) in &upload.upload_headers {
        put = put.header(name, value);
    }
    let stored = put.send().await.unwrap();
    assert!(stored.status().is_success(), "{stored:?}");
    let completed: CompleteUploadResponse =
        ada.rest.post(&format!("/media/uploads/{id}/complete"), json!({})).await.ok();
    assert_eq!(completed.media.as_ref().unwrap().state(), MediaState::Ready);

    let known: GetMediaResponse = ada.rest.get(&format!("/media/{id}")).await.ok();
    assert_eq!(known.media, completed.media);
    let address: GetMediaUrlResponse = ada.rest.get(&format!("/media/{id}/url")).await.ok();
    let fetched = http.get(&address.url).send().await.unwrap();
    assert_eq!(fetched.status(), 200);
    assert_eq!(fetched.bytes().await.unwrap(), content);

    stranger.rest.get(&format!("/media/{id}")).await.problem(404);
    stranger.rest.get(&format!("/media/{id}/url")).await.problem(404);
    let bare = address.url.split('?').next().unwrap();
    assert_eq!(http.get(bare).send().await.unwrap().status(), 403, "an address without its signature is worth nothing");
}

#[tokio::test]
async fn a_call_is_seen_by_both_parties_in_one_process() {
    a_call_is_seen_by_both_parties(embedded().await).await;
}

#[tokio::test]
async fn a_call_is_seen_by_both_parties_over_separate_services() {
    a_call_is_seen_by_both_parties(separate().await).await;
}

async fn a_call_is_seen_by_both_parties(cluster: &TestCluster) {
    let Pair { ada, bob, .. } = Pair::create(cluster).await;
    let stranger = Account::create(cluster, "eve").await;
    let mut adas = ada.connect(Encoding::Json).await;
    let mut bobs = bob.connect(Encoding::Binary).await;

    let call_id = fresh_uuid();
    let create = json!({"callee_id": bob.user_id, "media": "CALL_MEDIA_VIDEO", "call_id": call_id});
    let created: CreateCallResponse = ada.rest.post("/calls", create.clone()).await.created();
    let created = created.call.unwrap();
    assert_eq!((created.id.as_str(), created.state()), (call_id.as_str(), CallState::Ringing));
    let again: CreateCallResponse = ada.rest.post("/calls", create).await.created();
    assert_eq!(again.call.as_ref(), Some(&created));
    for socket in [&mut adas, &mut bobs] {
        assert_eq!(next_call(socket, &call_id, CallState::Ringing).await.caller_id, ada.user_id);
    }

    stranger.rest.get(&format!("/calls/{call_id}")).await.problem(404);
    stranger.rest.post(&format!("/calls/{call_id}/accept"), json!({})).await.problem(404);
    let accepted: AcceptCallResponse = bob.rest.post(&format!("/calls/{call_id}/accept"), json!({})).await.ok();
    assert_eq!(accepted.call.unwrap().callee_device_id, bob.device_id);
    for socket in [&mut adas, &mut bobs] {
        assert_eq!(next_call(socket, &call_id, CallState::Accepted).await.callee_device_id, bob.device_id);
    }

    let ended: EndCallResponse = ada.rest.post(&format!("/calls/{call_id}/end"), json!({})).await.ok();
    for socket in [&mut adas, &mut bobs] {
        assert!(next_call(socket, &call_id, CallState::Ended).await.ended_at.is_some());
    }
    let known: GetCallResponse = bob.rest.get(&format!("/calls/{call_id}")).await.ok();
    assert_eq!(known.call, ended.call);
}

async fn next_call(socket: &mut Socket, call_id: &str, state: CallState) -> Call {
    let what = format!("call in {state:?}");
    let call = socket.until(&what, |frame| match frame.frame {
        Some(Frame::Call(call)) if call.id == call_id && call.state() == state => Some(call),
        _ => None,
    });
    call.await
}

#[tokio::test]
async fn two_devices_that_accept_at_once_get_one_call() {
    let cluster = separate().await;
    let Pair { ada, bob, .. } = Pair::create(cluster).await;
    let tablet = Account::log_in(cluster.gateway(), &bob.username, &bob.email).await;
    let call_id = fresh_uuid();
    let create = json!({"callee_id": bob.user_id, "media": "CALL_MEDIA_VOICE", "call_id": call_id});
    ada.rest.post("/calls", create).await.created::<CreateCallResponse>();

    let path = format!("/calls/{call_id}/accept");
    let (phone, tablet) = tokio::join!(bob.rest.post(&path, json!({})), tablet.rest.post(&path, json!({})));
    let (won, lost) = if phone.status == 200 { (phone, tablet) } else { (tablet, phone) };
    assert_eq!(won.ok::<AcceptCallResponse>().call.unwrap().state(), CallState::Accepted);
    assert_eq!(lost.problem(409), "CALL_ANSWERED_ELSEWHERE");
}

#[tokio::test]
async fn the_vapid_key_is_open_and_stays_the_same() {
    let cluster = separate().await;
    let key = |gateway: &str| {
        let rest = Rest::open(gateway);
        async move { rest.get("/devices/vapid-key").await.ok::<godwit_contract::push::v1::GetVapidKeyResponse>().public_key }
    };
    let first = key(cluster.gateway()).await;
    assert_eq!(first.len(), 87, "65 bytes in unpadded base64url: {first}");
    assert_eq!(key(cluster.other_gateway()).await, first);
}
