use std::time::Duration;

use godwit_contract::auth::v1::{Device, LoginRequest, LogoutRequest};
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_live::{Channel, Delivery};
use prost::Message as _;
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure, tokens};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_or_a_name_logs_in() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    for login in [&person.email, &person.username] {
        let response = harness.login(login, PASSWORD, &device()).await.unwrap();
        assert_eq!(response.user.unwrap().username, person.username);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_account_is_refused_like_a_wrong_password() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let stranger = Person::new();
    let wrong = harness.login(&person.email, "wrong password", &device()).await.unwrap_err();
    assert_eq!((wrong.http_status(), wrong.reason.as_str()), (401, "BAD_CREDENTIALS"));
    for login in [&stranger.email, &stranger.username] {
        assert_eq!(harness.login(login, PASSWORD, &device()).await.unwrap_err(), wrong);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_password_learns_that_the_address_is_unconfirmed() {
    let harness = Harness::new().await;
    let person = Person::new();
    harness.register(&person).await.unwrap();
    for login in [&person.email, &person.username] {
        assert_eq!(harness.login(login, "wrong password", &device()).await.unwrap_err().reason, "BAD_CREDENTIALS");
        let refused = harness.login(login, PASSWORD, &device()).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::FailedPrecondition, "EMAIL_NOT_VERIFIED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_login_is_named() {
    let harness = Harness::new().await;
    let bad = Device { id: "phone".to_owned(), name: String::new(), platform: "x".repeat(33) };
    let request = LoginRequest { login: "@".to_owned(), password: String::new(), device: Some(bad) };
    let refused = failure(harness.auth().login(request).await.unwrap_err());
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["login", "password", "device.id", "device.name", "device.platform"]);
    let request = LoginRequest { login: "ada".to_owned(), password: "x".repeat(73), device: None };
    let refused = failure(harness.auth().login(request).await.unwrap_err());
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["password", "device.id", "device.name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_throttled_with_growing_delay() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let stranger = Person::new();
    for login in [&person.email, &stranger.email] {
        for _ in 0..5 {
            let refused = harness.login(login, "wrong password", &device()).await.unwrap_err();
            assert_eq!(refused.reason, "BAD_CREDENTIALS");
        }
    }
    for pause in [1, 2, 4, 8, 16] {
        for login in [&person.email, &stranger.email] {
            let refused = harness.login(login, PASSWORD, &device()).await.unwrap_err();
            assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "LOGIN_THROTTLED"));
            assert_eq!(refused.retry_after, Some(Duration::from_secs(pause)));
        }
        harness.advance(Duration::from_secs(pause));
        for login in [&person.email, &stranger.email] {
            let refused = harness.login(login, "wrong password", &device()).await.unwrap_err();
            assert_eq!(refused.reason, "BAD_CREDENTIALS");
        }
    }
    harness.advance(Duration::from_secs(32));
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    // The right password forgets them all.
    for _ in 0..4 {
        harness.login(&person.email, "wrong password", &device()).await.unwrap_err();
    }
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_more_than_the_free_ones() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let guess_from = device();
    let guesses = (0..30).map(|_| harness.login(&person.email, "wrong password", &guess_from));
    let results = futures_util::future::join_all(guesses).await;
    let evaluated = results.iter().filter(|result| result.as_ref().unwrap_err().reason == "BAD_CREDENTIALS").count();
    assert_eq!(evaluated, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_throttle_is_remembered_by_a_new_process() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    for _ in 0..5 {
        harness.login(&person.email, "wrong password", &device()).await.unwrap_err();
    }
    harness.replica.stop().await;
    let smtp = format!("--auth-smtp-url=smtp://{}", godwit_testkit::env::smtp());
    let replica = harness.cluster.start(&[&smtp]).await.unwrap();
    let harness = Harness { cluster: harness.cluster, replica };
    let refused = harness.login(&person.email, PASSWORD, &device()).await.unwrap_err();
    assert_eq!(refused.reason, "LOGIN_THROTTLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_shed() {
    let harness =
        Harness::with(&["--auth-password-workers=1", "--auth-password-queue=1", "--auth-bcrypt-cost=10"]).await;
    let login_from = device();
    let logins: Vec<String> = (0..24).map(|_| Person::new().username).collect();
    let flood = logins.iter().map(|login| harness.login(login, PASSWORD, &login_from));
    let results = futures_util::future::join_all(flood).await;
    let refusals = results.into_iter().map(Result::unwrap_err);
    let (shed, evaluated): (Vec<_>, Vec<_>) =
        logins.iter().zip(refusals).partition(|(_, refused)| refused.reason == "LOGINS_BUSY");
    assert!(!shed.is_empty() && !evaluated.is_empty());
    for (_, refused) in &shed {
        assert_eq!((refused.code, refused.retry_after), (Code::ResourceExhausted, Some(Duration::from_secs(1))));
    }
    // Who was shed has not failed: all free tries are left.
    for _ in 0..5 {
        assert_eq!(harness.login(shed[0].0, PASSWORD, &login_from).await.unwrap_err().reason, "BAD_CREDENTIALS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_one_session() {
    let harness = Harness::new().await;
    let (person, device, first) = harness.session().await;
    let user_id = first.user.as_ref().unwrap().id.parse().unwrap();
    let (_subscription, mut deliveries) = harness.listen(&[Channel::Sessions, Channel::User(user_id)]).await;
    let second = harness.login(&person.email, PASSWORD, &device).await.unwrap();
    assert_ne!(tokens(&first).session_id, tokens(&second).session_id);
    expect_revocations(&mut deliveries, &tokens(&first).session_id).await;
    assert_eq!(revoked(&harness).await, [tokens(&first).session_id.as_str()]);
    let refused = refresh(&harness, &tokens(&first).refresh_token).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (401, "SESSION_REVOKED"));
    refresh(&harness, &tokens(&second).refresh_token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_logins_of_one_device_at_once_leave_one_session() {
    let harness = Harness::new().await;
    let (person, device) = (harness.account().await, device());
    let results = futures_util::future::join_all((0..4).map(|_| harness.login(&person.email, PASSWORD, &device))).await;
    let mut alive = 0;
    for login in results {
        alive += usize::from(refresh(&harness, &tokens(&login.unwrap()).refresh_token).await.is_ok());
    }
    assert_eq!(alive, 1);
    assert_eq!(revoked(&harness).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_id_of_somebody_else_ends_nothing_of_theirs() {
    let harness = Harness::new().await;
    let (_, device, first) = harness.session().await;
    let eve = harness.account().await;
    harness.login(&eve.email, PASSWORD, &device).await.unwrap();
    refresh(&harness, &tokens(&first).refresh_token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_session_and_is_announced() {
    let harness = Harness::new().await;
    let (_, device, login) = harness.session().await;
    let user_id = login.user.as_ref().unwrap().id.parse().unwrap();
    let (_subscription, mut deliveries) = harness.listen(&[Channel::Sessions, Channel::User(user_id)]).await;
    harness.auth().logout(as_caller(&login, &device, LogoutRequest {})).await.unwrap();
    expect_revocations(&mut deliveries, &tokens(&login).session_id).await;
    assert_eq!(refresh(&harness, &tokens(&login).refresh_token).await.unwrap_err().reason, "SESSION_REVOKED");
    // Once more changes nothing.
    harness.auth().logout(as_caller(&login, &device, LogoutRequest {})).await.unwrap();
    assert_eq!(revoked(&harness).await, [tokens(&login).session_id.as_str()]);
    // Until its last access token has ended, for any verifier's clock.
    harness.advance(Duration::from_secs(15 * 60 + 30));
    assert_eq!(revoked(&harness).await.len(), 1);
    harness.advance(Duration::from_secs(5 * 60));
    assert_eq!(revoked(&harness).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_needs_a_caller() {
    let harness = Harness::new().await;
    let refused = failure(harness.auth().logout(LogoutRequest {}).await.unwrap_err());
    assert_eq!((refused.http_status(), refused.reason.as_str()), (401, "UNAUTHENTICATED"));
}

async fn refresh(harness: &Harness, token: &str) -> Result<(), godwit_rpc::Failure> {
    let request = godwit_contract::auth::v1::RefreshRequest { refresh_token: token.to_owned() };
    harness.auth().refresh(request).await.map(|_| ()).map_err(failure)
}

async fn revoked(harness: &Harness) -> Vec<String> {
    let request = godwit_contract::auth::v1::ListRevocationsRequest::default();
    let response = harness.replica.internal().list_revocations(request).await.unwrap().into_inner();
    response.revocations.into_iter().map(|revocation| revocation.session_id).collect()
}

/// The same news on the channel of all gateways and on the user's.
pub async fn expect_revocations(deliveries: &mut tokio::sync::mpsc::Receiver<Delivery>, session_id: &str) {
    let mut heard_on = Vec::new();
    while heard_on.len() < 2 {
        let delivery = tokio::time::timeout(Duration::from_secs(20), deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { channel, payload } = delivery else { continue };
        let Some(live_payload::Payload::SessionRevoked(news)) = LivePayload::decode(payload).unwrap().payload else {
            continue;
        };
        assert_eq!(news.session_id, session_id);
        heard_on.push(channel);
    }
    assert!(heard_on.contains(&Channel::Sessions) && heard_on.iter().any(|c| matches!(c, Channel::User(_))));
}
