use std::time::Duration;

use godwit_contract::auth::v1::{
    ChangePasswordRequest, Device, ForgotPasswordRequest, LoginResponse, RegisterRequest, ResetPasswordRequest,
};
use godwit_rpc::Failure;
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure};
use crate::support::{complete, guarded, mail_about, mails_about, refresh, totp};

const RESET_SUBJECT: &str = "Set a new Godwit password";
const OTHER: &str = "quite another password";

async fn forgot(harness: &Harness, email: &str) -> Result<u32, Failure> {
    let request = ForgotPasswordRequest { email: email.to_owned() };
    let answer = harness.auth().forgot_password(request).await.map_err(failure)?;
    Ok(answer.into_inner().token_expires_in_secs)
}

async fn reset(harness: &Harness, token: &str, password: &str) -> Result<(), Failure> {
    let request = ResetPasswordRequest { token: token.to_owned(), new_password: password.to_owned() };
    harness.auth().reset_password(request).await.map(|_| ()).map_err(failure)
}

async fn change(
    harness: &Harness,
    login: &LoginResponse,
    device: &Device,
    (current, new): (&str, &str),
) -> Result<(), Failure> {
    let request = ChangePasswordRequest { current_password: current.to_owned(), new_password: new.to_owned() };
    harness.replica.users().change_password(as_caller(login, device, request)).await.map(|_| ()).map_err(failure)
}

/// The token of the newest mail, when there are `count` of them.
async fn token(harness: &Harness, person: &Person, count: usize) -> String {
    let mail = godwit_testkit::eventually(Duration::from_secs(20), || async {
        let is_there = mails_about(harness, &person.email, RESET_SUBJECT) == count;
        if is_there { Some(mail_about(harness, &person.email, RESET_SUBJECT).await) } else { None }
    });
    let mail = mail.await;
    mail.text.split_whitespace().find(|word| word.len() == 43).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_many_have_or_that_names_its_owner_is_refused() {
    let harness = Harness::new().await;
    let person = Person::new();
    let with = |password: &str| RegisterRequest { password: password.to_owned(), ..person.register_request() };
    let named = format!("{}2026", person.username);
    for (password, reason) in [
        ("password1", "PASSWORD_TOO_COMMON"),
        ("QWERTYUIOP", "PASSWORD_TOO_COMMON"),
        (named.as_str(), "PASSWORD_HOLDS_NAME"),
    ] {
        let refused = failure(harness.auth().register(with(password)).await.unwrap_err());
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, reason));
        assert_eq!(refused.fields[0].field, "password");
    }

    let (person, own, login) = harness.session().await;
    let refused = change(&harness, &login, &own, (PASSWORD, "password1")).await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("PASSWORD_TOO_COMMON", "new_password"));
    let named = format!("1{}", person.email.split('@').next().unwrap());
    assert_eq!(change(&harness, &login, &own, (PASSWORD, &named)).await.unwrap_err().reason, "PASSWORD_HOLDS_NAME");
    forgot(&harness, &person.email).await.unwrap();
    let token = token(&harness, &person, 1).await;
    assert_eq!(reset(&harness, &token, "password1").await.unwrap_err().reason, "PASSWORD_TOO_COMMON");
    assert_eq!(reset(&harness, &token, &named).await.unwrap_err().reason, "PASSWORD_HOLDS_NAME");
    // A refused password uses no token up.
    reset(&harness, &token, OTHER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_token_sets_a_password_once_and_ends_all_sessions() {
    let harness = Harness::new().await;
    let (person, _, login) = harness.session().await;
    let second = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    assert_eq!(forgot(&harness, &person.email).await.unwrap(), 1_800);
    let token = token(&harness, &person, 1).await;
    let refused = reset(&harness, &token, "short").await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("INVALID_ARGUMENT", "new_password"));
    // Failures before are forgotten.
    for login in [&person.email, &person.username] {
        for _ in 0..5 {
            harness.login(login, "a wrong password", &device()).await.unwrap_err();
        }
    }
    reset(&harness, &token, OTHER).await.unwrap();
    for login in [&login, &second] {
        assert_eq!(refresh(&harness, login).await.unwrap_err().reason, "SESSION_REVOKED");
    }
    assert_eq!(harness.login(&person.email, PASSWORD, &device()).await.unwrap_err().reason, "BAD_CREDENTIALS");
    harness.login(&person.email, OTHER, &device()).await.unwrap();
    harness.login(&person.username, OTHER, &device()).await.unwrap();
    let again = reset(&harness, &token, "a third password").await.unwrap_err();
    assert_eq!((again.http_status(), again.reason.as_str()), (400, "RESET_TOKEN_INVALID"));
    mail_about(&harness, &person.email, "Your Godwit password was changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_token_ends_after_thirty_minutes_and_when_there_is_a_newer_one() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    forgot(&harness, &person.email).await.unwrap();
    let first = token(&harness, &person, 1).await;
    harness.advance(Duration::from_secs(60));
    forgot(&harness, &person.email).await.unwrap();
    let second = token(&harness, &person, 2).await;
    assert_eq!(reset(&harness, &first, OTHER).await.unwrap_err().reason, "RESET_TOKEN_INVALID");
    harness.advance(Duration::from_secs(30 * 60));
    let late = reset(&harness, &second, OTHER).await.unwrap_err();
    assert_eq!((late.http_status(), late.reason.as_str()), (400, "RESET_TOKEN_EXPIRED"));
    for made_up in ["", "x", &"A".repeat(43), &"A".repeat(10_000)] {
        assert_eq!(reset(&harness, made_up, OTHER).await.unwrap_err().reason, "RESET_TOKEN_INVALID");
    }
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_answered_and_limited_like_a_known_one() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let (stranger, unconfirmed) = (Person::new(), Person::new());
    harness.register(&unconfirmed).await.unwrap();
    let emails = [&person.email, &stranger.email, &unconfirmed.email];
    for sent in 1..=5 {
        for email in emails {
            assert_eq!(forgot(&harness, email).await.unwrap(), 1_800);
            let refused = forgot(&harness, email).await.unwrap_err();
            assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "RESET_TOO_SOON"));
            assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
        }
        token(&harness, &person, sent).await;
        harness.advance(Duration::from_secs(60));
    }
    for email in emails {
        let refused = forgot(&harness, email).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "RESET_DAILY_LIMIT"));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(24 * 3_600 - 300)));
    }
    for email in [&stranger.email, &unconfirmed.email] {
        assert_eq!(mails_about(&harness, email, RESET_SUBJECT), 0);
    }
    assert_eq!(forgot(&harness, "nobody").await.unwrap_err().fields[0].field, "email");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_resets_by_one_token_at_once_set_one_password() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    forgot(&harness, &person.email).await.unwrap();
    let token = token(&harness, &person, 1).await;
    let passwords: Vec<String> = (0..6).map(|number| format!("password of try {number}")).collect();
    let tries = passwords.iter().map(|password| reset(&harness, &token, password));
    let results = futures_util::future::join_all(tries).await;
    let set: Vec<&String> = passwords.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(p, _)| p).collect();
    assert_eq!(set.len(), 1);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.reason, "RESET_TOKEN_INVALID");
    }
    harness.login(&person.email, set[0], &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_does_not_go_around_the_second_factor() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let phone = device();
    let waiting = harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    forgot(&harness, &person.email).await.unwrap();
    reset(&harness, &token(&harness, &person, 1).await, OTHER).await.unwrap();
    // A login that waited had the password before.
    harness.advance(Duration::from_secs(30));
    let refused = complete(&harness, &waiting, &phone, &totp(&harness, &secret)).await.unwrap_err();
    assert_eq!(refused.reason, "CHALLENGE_INVALID");
    let challenged = harness.login(&person.email, OTHER, &phone).await.unwrap();
    assert!(challenged.tokens.is_none() && challenged.challenge.is_some());
    complete(&harness, &challenged, &phone, &totp(&harness, &secret)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_link_is_put_together_from_its_prefix() {
    let harness = Harness::with(&["--auth-reset-url=https://chat.example/reset#token="]).await;
    let person = harness.account().await;
    forgot(&harness, &person.email).await.unwrap();
    let mail = mail_about(&harness, &person.email, RESET_SUBJECT).await;
    let link = mail.text.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
    let token = link.strip_prefix("https://chat.example/reset#token=").unwrap();
    reset(&harness, token, OTHER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_other_sessions() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let other = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    let refused = change(&harness, &login, &own, ("", "short")).await.unwrap_err();
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["current_password", "new_password"]);
    change(&harness, &login, &own, (PASSWORD, OTHER)).await.unwrap();
    assert_eq!(refresh(&harness, &other).await.unwrap_err().reason, "SESSION_REVOKED");
    refresh(&harness, &login).await.unwrap();
    assert_eq!(harness.login(&person.email, PASSWORD, &device()).await.unwrap_err().reason, "BAD_CREDENTIALS");
    harness.login(&person.email, OTHER, &device()).await.unwrap();
    mail_about(&harness, &person.email, "Your Godwit password was changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_current_passwords_are_throttled_apart_from_logins() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    for _ in 0..5 {
        let refused = change(&harness, &login, &own, ("a wrong password", OTHER)).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (403, "PASSWORD_WRONG"));
    }
    for pause in [1, 2, 4] {
        let refused = change(&harness, &login, &own, (PASSWORD, OTHER)).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "PASSWORD_THROTTLED"));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(pause)));
        harness.advance(Duration::from_secs(pause));
        change(&harness, &login, &own, ("a wrong password", OTHER)).await.unwrap_err();
    }
    // Who stole a session cannot lock its owner out.
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    harness.advance(Duration::from_secs(60));
    change(&harness, &login, &own, (PASSWORD, OTHER)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_end_in_one_password() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let passwords: Vec<String> = (0..5).map(|number| format!("password of try {number}")).collect();
    let tries = passwords.iter().map(|password| change(&harness, &login, &own, (PASSWORD, password)));
    let results = futures_util::future::join_all(tries).await;
    let set: Vec<&String> = passwords.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(p, _)| p).collect();
    assert_eq!(set.len(), 1);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(["PASSWORD_WRONG", "PASSWORD_THROTTLED"].contains(&refused.reason.as_str()), "{refused:?}");
    }
    harness.login(&person.email, set[0], &device()).await.unwrap();
}
