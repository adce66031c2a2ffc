use std::time::Duration;

use godwit_contract::auth::v1::{
    Device, ListLoginsRequest, ListLoginsResponse, ListRevocationsRequest, ListSessionsRequest, LoginOutcome,
    LoginRequest, LoginResponse, LogoutAllRequest, RefreshRequest, RevokeSessionRequest, Session,
};
use godwit_kernel::{SessionId, SystemClock, SystemEntropy};
use godwit_live::Channel;
use godwit_rpc::{Failure, timestamp};
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure, tokens};
use crate::support::{from_address, mail_about, mails_about, refresh};

async fn sessions(harness: &Harness, login: &LoginResponse, device: &Device) -> Vec<Session> {
    let request = as_caller(login, device, ListSessionsRequest {});
    harness.auth().list_sessions(request).await.unwrap().into_inner().sessions
}

async fn revoke(harness: &Harness, by: &LoginResponse, device: &Device, id: &str) -> Result<(), Failure> {
    let request = RevokeSessionRequest { session_id: id.to_owned() };
    harness.auth().revoke_session(as_caller(by, device, request)).await.map(|_| ()).map_err(failure)
}

async fn logins(
    harness: &Harness,
    login: &LoginResponse,
    device: &Device,
    (limit, cursor): (u32, &str),
) -> ListLoginsResponse {
    let request = as_caller(login, device, ListLoginsRequest { limit, cursor: cursor.to_owned() });
    harness.auth().list_logins(request).await.unwrap().into_inner()
}

/// What the tries at an account came to, newest first.
pub async fn outcomes(harness: &Harness, login: &LoginResponse, device: &Device) -> Vec<LoginOutcome> {
    let page = logins(harness, login, device, (0, "")).await;
    page.logins.iter().map(|record| record.outcome()).collect()
}

async fn login_from(harness: &Harness, address: &str, person: &Person, device: &Device) -> LoginResponse {
    let request =
        LoginRequest { login: person.email.clone(), password: PASSWORD.to_owned(), device: Some(device.clone()) };
    harness.auth().login(from_address(address, request)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_tell_device_place_and_time_and_mark_the_current_one() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let (phone, laptop) = (device(), Device { name: "Laptop".into(), platform: "linux".into(), ..device() });
    let first = login_from(&harness, "192.0.2.7", &person, &phone).await;
    let first_at = harness.replica.platform.clock.now();
    harness.advance(Duration::from_secs(60));
    let second = login_from(&harness, "::ffff:198.51.100.9", &person, &laptop).await;
    let listed = sessions(&harness, &first, &phone).await;
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (listed[0].id.as_str(), listed[1].id.as_str()),
        (tokens(&second).session_id.as_str(), tokens(&first).session_id.as_str())
    );
    assert_eq!((listed[0].is_current, listed[1].is_current), (false, true));
    assert_eq!((listed[0].last_address.as_str(), listed[1].last_address.as_str()), ("198.51.100.9", "192.0.2.7"));
    assert_eq!((listed[0].device.clone(), listed[1].device.clone()), (Some(laptop), Some(phone.clone())));
    assert_eq!(listed[1].created_at, Some(timestamp(first_at)));

    // A refresh is a use, from where it comes; the one used last comes first.
    harness.advance(Duration::from_secs(60));
    let request = RefreshRequest { refresh_token: tokens(&first).refresh_token.clone() };
    harness.auth().refresh(from_address("2001:db8::1", request)).await.unwrap();
    let listed = sessions(&harness, &first, &phone).await;
    assert_eq!((listed[0].last_address.as_str(), listed[0].is_current), ("2001:db8::1", true));
    assert_eq!(listed[0].last_used_at, Some(timestamp(harness.replica.platform.clock.now())));
    assert_eq!(listed[0].created_at, Some(timestamp(first_at)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_is_revoked_at_once_and_only_by_its_owner() {
    let harness = Harness::new().await;
    let (person, phone, first) = harness.session().await;
    let laptop = device();
    let second = harness.login(&person.email, PASSWORD, &laptop).await.unwrap();
    let (_, eve_device, eve) = harness.session().await;
    let unknown = SessionId::generate(&SystemClock, &SystemEntropy).to_string();
    for (by, device, id) in
        [(&eve, &eve_device, tokens(&second).session_id.as_str()), (&first, &phone, unknown.as_str())]
    {
        let refused = revoke(&harness, by, device, id).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "SESSION_NOT_FOUND"));
    }
    let refused = revoke(&harness, &first, &phone, "42").await.unwrap_err();
    assert_eq!(refused.fields[0].field, "session_id");

    let user_id = first.user.as_ref().unwrap().id.parse().unwrap();
    let (_subscription, mut deliveries) = harness.listen(&[Channel::Sessions, Channel::User(user_id)]).await;
    revoke(&harness, &first, &phone, &tokens(&second).session_id).await.unwrap();
    crate::login::expect_revocations(&mut deliveries, &tokens(&second).session_id).await;
    assert_eq!(refresh(&harness, &second).await.unwrap_err().reason, "SESSION_REVOKED");
    assert_eq!(sessions(&harness, &first, &phone).await.len(), 1);
    refresh(&harness, &first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_everywhere_ends_this_session_too() {
    let harness = Harness::new().await;
    let (person, phone, first) = harness.session().await;
    let second = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    let (_, _, eve) = harness.session().await;
    harness.auth().logout_all(as_caller(&first, &phone, LogoutAllRequest {})).await.unwrap();
    for login in [&first, &second] {
        assert_eq!(refresh(&harness, login).await.unwrap_err().reason, "SESSION_REVOKED");
    }
    refresh(&harness, &eve).await.unwrap();
    assert!(sessions(&harness, &first, &phone).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_beyond_a_hundred_ends_the_session_that_was_used_least_recently() {
    let harness = Harness::new().await;
    let (person, own, first) = harness.session().await;
    harness.advance(Duration::from_secs(1));
    let second = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    for _ in 2..100 {
        harness.advance(Duration::from_secs(1));
        harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    }
    // The first was made first, but used last.
    harness.advance(Duration::from_secs(1));
    refresh(&harness, &first).await.unwrap();
    assert_eq!(sessions(&harness, &first, &own).await.len(), 100);
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    let listed = sessions(&harness, &first, &own).await;
    assert_eq!(listed.len(), 100);
    assert!(listed.iter().any(|session| session.is_current));
    assert!(!listed.iter().any(|session| session.id == tokens(&second).session_id));
    assert_eq!(refresh(&harness, &second).await.unwrap_err().reason, "SESSION_REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_every_try_and_is_paged() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let own = device();
    let mut login = login_from(&harness, "192.0.2.7", &person, &own).await;
    for _ in 0..3 {
        harness.advance(Duration::from_secs(1));
        harness.login(&person.username, "a wrong password", &own).await.unwrap_err();
        harness.advance(Duration::from_secs(1));
        login = harness.login(&person.email, PASSWORD, &own).await.unwrap();
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = logins(&harness, &login, &own, (3, &cursor)).await;
        assert!(page.logins.len() <= 3);
        found.extend(page.logins);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let outcomes: Vec<LoginOutcome> = found.iter().map(|record| record.outcome()).collect();
    let (ok, wrong) = (LoginOutcome::Ok, LoginOutcome::WrongPassword);
    assert_eq!(outcomes, [ok, wrong, ok, wrong, ok, wrong, ok]);
    assert!(found.is_sorted_by_key(|record| std::cmp::Reverse(record.at.unwrap().seconds)));
    let oldest = found.last().unwrap();
    assert_eq!((oldest.address.as_str(), oldest.device.clone()), ("192.0.2.7", Some(own.clone())));

    let request = as_caller(&login, &own, ListLoginsRequest { limit: 1, cursor: "x".to_owned() });
    assert_eq!(failure(harness.auth().list_logins(request).await.unwrap_err()).reason, "INVALID_CURSOR");
    // Nobody sees another's.
    let (_, eve_device, eve) = harness.session().await;
    assert_eq!(logins(&harness, &eve, &eve_device, (0, "")).await.logins.len(), 1);
    // Ninety days.
    harness.advance(Duration::from_secs(90 * 24 * 3_600));
    assert!(logins(&harness, &login, &own, (0, "")).await.logins.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_is_worth_a_mail_with_its_name_and_time() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let subject = "A new device logged in to your Godwit account";
    let phone = Device { name: "Ada's <b>phone</b>".into(), platform: "android".into(), ..device() };
    harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    let mail = mail_about(&harness, &person.email, subject).await;
    let told =
        "The device “Ada's <b>phone</b>” (android) logged in to your Godwit account on 1 June 2026 at 12:00 UTC.";
    assert!(mail.text.replace("\r\n", "\n").contains(told), "{}", mail.text);
    // A device that is known is no news, one that is not is.
    harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    godwit_testkit::eventually(Duration::from_secs(20), || async {
        (mails_about(&harness, &person.email, subject) == 2).then_some(())
    })
    .await;
    // Mails leave in order: had the known device been news, its mail had come by now.
    assert_eq!(mails_about(&harness, &person.email, subject), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_are_told_in_pages_and_since_an_instant() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let mut ended = Vec::new();
    for _ in 0..4 {
        let session = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
        revoke(&harness, &login, &own, &tokens(&session).session_id).await.unwrap();
        ended.push(tokens(&session).session_id.clone());
        harness.advance(Duration::from_secs(10));
    }
    ended.sort();
    let list = async |request: ListRevocationsRequest| {
        harness.replica.internal().list_revocations(request).await.map(tonic::Response::into_inner).map_err(failure)
    };
    let mut found = Vec::new();
    let mut after_session_id = String::new();
    loop {
        let page = list(ListRevocationsRequest { limit: 3, after_session_id, revoked_since: None }).await.unwrap();
        found.extend(page.revocations.into_iter().map(|revocation| revocation.session_id));
        after_session_id = found.last().unwrap().clone();
        if !page.has_more {
            break;
        }
    }
    assert_eq!(found, ended);
    // Two at 20 and 30 s, not older.
    let since = harness.replica.platform.clock.now() - Duration::from_secs(20);
    let recent = ListRevocationsRequest { revoked_since: Some(timestamp(since)), ..Default::default() };
    let page = list(recent).await.unwrap();
    assert_eq!((page.revocations.len(), page.has_more), (2, false));
    let wrong = ListRevocationsRequest { after_session_id: "x".to_owned(), ..Default::default() };
    assert_eq!(list(wrong).await.unwrap_err().fields[0].field, "after_session_id");
}
