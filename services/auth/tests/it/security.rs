use std::time::Duration;

use godwit_contract::auth::v1::{
    ChangePasswordRequest, DeleteMeRequest, DisableTwoFactorRequest, LoginRequest, LogoutRequest, RevokeSessionRequest,
};
use godwit_contract::events::v1::security_event::Event;
use godwit_contract::events::v1::{SecurityEvent, SessionEndCause};
use godwit_events::topics;

use crate::harness::{Harness, PASSWORD, as_caller, device, tokens};
use crate::support::{Events, as_login, complete, consume, from_address, guarded, next_code, refresh, wrong_code};

async fn event(events: &mut Events<SecurityEvent>) -> Event {
    events.next().await.event.unwrap()
}

async fn expect_end(events: &mut Events<SecurityEvent>, session_id: &str, cause: SessionEndCause) {
    let Event::SessionEnded(ended) = event(events).await else { unreachable!("a session ends next") };
    assert_eq!((ended.session_id.as_str(), ended.cause()), (session_id, cause));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_the_ends_of_sessions_are_told_in_order() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let mut events = consume::<SecurityEvent>(&harness, &topics::SECURITY);
    let phone = device();
    let request = |password: &str| LoginRequest {
        login: person.email.clone(),
        password: password.to_owned(),
        device: Some(phone.clone()),
    };
    harness.auth().login(from_address("192.0.2.1", request("a wrong password"))).await.unwrap_err();
    let first = harness.auth().login(from_address("192.0.2.1", request(PASSWORD))).await.unwrap().into_inner();
    let failed = events.next().await;
    assert_eq!(
        (failed.user_id.as_str(), failed.address.as_str()),
        (first.user.as_ref().unwrap().id.as_str(), "192.0.2.1")
    );
    let Some(Event::LoginFailed(reason)) = failed.event else { unreachable!("the failure comes first") };
    assert_eq!((reason.device_id.as_str(), reason.reason.as_str()), (phone.id.as_str(), "BAD_CREDENTIALS"));
    let opened = events.next().await;
    assert_eq!(opened.occurred_at, Some(godwit_rpc::timestamp(harness.replica.platform.clock.now())));
    assert_ne!(opened.event_id, failed.event_id);
    let Some(Event::LoggedIn(logged_in)) = opened.event else { unreachable!("the login comes second") };
    assert_eq!(
        (logged_in.session_id.as_str(), logged_in.device_id.as_str()),
        (tokens(&first).session_id.as_str(), phone.id.as_str())
    );
    assert_eq!((logged_in.platform.as_str(), logged_in.is_new_device), ("android", true));

    let second = harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    expect_end(&mut events, &tokens(&first).session_id, SessionEndCause::Replaced).await;
    let Event::LoggedIn(again) = event(&mut events).await else { unreachable!("a login comes next") };
    assert!(!again.is_new_device);

    let laptop = device();
    let third = harness.login(&person.email, PASSWORD, &laptop).await.unwrap();
    assert!(matches!(event(&mut events).await, Event::LoggedIn(_)));
    let request = RevokeSessionRequest { session_id: tokens(&third).session_id.clone() };
    harness.auth().revoke_session(as_caller(&second, &phone, request)).await.unwrap();
    expect_end(&mut events, &tokens(&third).session_id, SessionEndCause::Revoked).await;
    harness.auth().logout(as_caller(&second, &phone, LogoutRequest {})).await.unwrap();
    expect_end(&mut events, &tokens(&second).session_id, SessionEndCause::Logout).await;

    let fourth = harness.login(&person.email, PASSWORD, &laptop).await.unwrap();
    assert!(matches!(event(&mut events).await, Event::LoggedIn(_)));
    refresh(&harness, &fourth).await.unwrap();
    harness.advance(Duration::from_secs(11));
    refresh(&harness, &fourth).await.unwrap_err();
    expect_end(&mut events, &tokens(&fourth).session_id, SessionEndCause::TokenReused).await;
    // A login that names nobody is nobody's event.
    harness.login("nobody_at_all", PASSWORD, &phone).await.unwrap_err();
    harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    assert!(matches!(event(&mut events).await, Event::LoggedIn(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_credentials_are_told_in_order() {
    let harness = Harness::new().await;
    let mut events = consume::<SecurityEvent>(&harness, &topics::SECURITY);
    let (person, phone, login) = harness.session().await;
    assert!(matches!(event(&mut events).await, Event::LoggedIn(_)));
    let (secret, codes) = guarded(&harness, &login, &phone).await;
    let Event::TwoFactorChanged(changed) = event(&mut events).await else {
        unreachable!("two-factor logins are on next")
    };
    assert!(changed.is_enabled);

    let laptop = device();
    let challenged = harness.login(&person.email, PASSWORD, &laptop).await.unwrap();
    complete(&harness, &challenged, &laptop, &wrong_code(&harness, &secret)).await.unwrap_err();
    let Event::LoginFailed(failed) = event(&mut events).await else { unreachable!("a failure comes next") };
    assert_eq!((failed.device_id.as_str(), failed.reason.as_str()), (laptop.id.as_str(), "TWO_FACTOR_CODE_WRONG"));
    let other = as_login(complete(&harness, &challenged, &laptop, &codes[0]).await.unwrap());
    let Event::RecoveryCodeUsed(used) = event(&mut events).await else { unreachable!("the recovery code comes next") };
    assert_eq!(used.codes_left, 9);
    assert!(matches!(event(&mut events).await, Event::LoggedIn(_)));

    let change = ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: "quite another password".to_owned(),
    };
    harness.replica.users().change_password(as_caller(&login, &phone, change)).await.unwrap();
    let Event::PasswordChanged(changed) = event(&mut events).await else { unreachable!("the password changes next") };
    assert!(!changed.by_reset);
    expect_end(&mut events, &tokens(&other).session_id, SessionEndCause::PasswordChanged).await;

    let disable =
        DisableTwoFactorRequest { password: "quite another password".to_owned(), code: next_code(&harness, &secret) };
    harness.auth().disable_two_factor(as_caller(&login, &phone, disable)).await.unwrap();
    let Event::TwoFactorChanged(changed) = event(&mut events).await else {
        unreachable!("two-factor logins are off next")
    };
    assert!(!changed.is_enabled);
    let delete = DeleteMeRequest { password: "quite another password".to_owned() };
    harness.replica.users().delete_me(as_caller(&login, &phone, delete)).await.unwrap();
    expect_end(&mut events, &tokens(&login).session_id, SessionEndCause::AccountDeleted).await;
}
