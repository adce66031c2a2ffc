use std::time::Duration;

use godwit_contract::auth::v1::{RegisterRequest, ResendCodeRequest};
use godwit_testkit::unique;
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, device, failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_confirms_and_logs_in() {
    let harness = Harness::new().await;
    let person = Person::new();
    let response = harness.auth().register(person.register_request()).await.unwrap().into_inner();
    assert_eq!(response.code_expires_in_secs, 900);
    let mail = harness.cluster.mailbox.newest(&person.email).await;
    assert!(!mail.subject.contains(&mail.code().unwrap()), "the subject shows on locked screens");
    harness.verify(&person.email, &mail.code().unwrap()).await.unwrap();
    let login = harness.login(&person.username, PASSWORD, &device()).await.unwrap();
    let user = login.user.unwrap();
    assert_eq!((user.username.as_str(), user.display_name.as_str()), (person.username.as_str(), "Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named() {
    let harness = Harness::new().await;
    let request = RegisterRequest {
        email: "nobody".to_owned(),
        username: "a b".to_owned(),
        password: "short".to_owned(),
        display_name: " ".to_owned(),
    };
    let refused = failure(harness.auth().register(request).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["email", "username", "password", "display_name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_over_72_bytes_is_refused_not_truncated() {
    let harness = Harness::new().await;
    let person = Person::new();
    let with = |password: String| RegisterRequest { password, ..person.register_request() };
    let refused = failure(harness.auth().register(with("x".repeat(73))).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "password");
    harness.auth().register(with("x".repeat(72))).await.unwrap();
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
    let one_off = format!("{}y", "x".repeat(71));
    assert_eq!(harness.login(&person.email, &one_off, &device()).await.unwrap_err().reason, "BAD_CREDENTIALS");
    harness.login(&person.email, &"x".repeat(72), &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_names_are_one_in_any_case() {
    let harness = Harness::new().await;
    let person = Person::new();
    let shouting = Person { email: person.email.to_uppercase(), username: person.username.to_uppercase() };
    harness.register(&shouting).await.unwrap();
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
    let login = harness.login(&shouting.username, PASSWORD, &device()).await.unwrap();
    assert_eq!(login.user.unwrap().username, person.username);
    let other = Person { email: format!("{}@example.org", unique("eve_")), username: person.username };
    assert_eq!(harness.register(&other).await.unwrap_err().reason, "USERNAME_TAKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_username_is_a_conflict() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    let other = Person { username: person.username, ..Person::new() };
    let refused = harness.register(&other).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "USERNAME_TAKEN"));
    harness.register(&Person { email: other.email, ..Person::new() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_gets_the_same_answer_and_another_mail() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    harness.advance(Duration::from_secs(61));
    let known = Person { email: person.email.clone(), ..Person::new() };
    let unknown = Person::new();
    let of_known = harness.auth().register(known.register_request()).await.unwrap().into_inner();
    let of_unknown = harness.auth().register(unknown.register_request()).await.unwrap().into_inner();
    assert_eq!(of_known, of_unknown);
    let mail = harness.cluster.mailbox.wait_for(&person.email, 2).await;
    assert_eq!((mail.subject.as_str(), mail.code()), ("You already have a Godwit account", None));

    // Nor do the names that were asked for tell: each is held for its address.
    for name in [&known.username, &unknown.username] {
        let other = Person { username: name.clone(), ..Person::new() };
        assert_eq!(harness.register(&other).await.unwrap_err().reason, "USERNAME_TAKEN");
    }
    // Nor do logins with the password that was asked for.
    for name in [&known.username, &unknown.username] {
        let refused = harness.login(name, PASSWORD, &device()).await.unwrap_err();
        assert_eq!(refused.reason, "EMAIL_NOT_VERIFIED");
    }
    // Nor the limits.
    for email in [&known.email, &unknown.email] {
        let request = ResendCodeRequest { email: email.clone() };
        assert_eq!(failure(harness.auth().resend_code(request).await.unwrap_err()).reason, "CODE_TOO_SOON");
    }
    // And the account is as it was.
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_account_may_be_registered_again() {
    let harness = Harness::new().await;
    let first = Person::new();
    harness.register(&first).await.unwrap();
    let old_code = harness.cluster.mailbox.code(&first.email).await;
    harness.advance(Duration::from_secs(61));
    let second = Person { email: first.email.clone(), ..Person::new() };
    harness.register(&second).await.unwrap();
    let code = harness.cluster.mailbox.wait_for(&first.email, 2).await.code().unwrap();
    if code != old_code {
        assert_eq!(harness.verify(&first.email, &old_code).await.unwrap_err().reason, "CODE_WRONG");
    }
    harness.verify(&first.email, &code).await.unwrap();
    let login = harness.login(&first.email, PASSWORD, &device()).await.unwrap();
    assert_eq!(login.user.unwrap().username, second.username);
    // The name of the first try is free again.
    let other = Person { username: first.username, ..Person::new() };
    harness.register(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_ends_after_a_day_and_lets_go_of_its_name() {
    let harness = Harness::new().await;
    let person = Person::new();
    harness.register(&person).await.unwrap();
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.advance(Duration::from_secs(24 * 3_600));
    let refused = harness.verify(&person.email, &code).await.unwrap_err();
    assert_eq!(refused.reason, "CODE_EXPIRED");
    assert_eq!(harness.login(&person.email, PASSWORD, &device()).await.unwrap_err().reason, "BAD_CREDENTIALS");
    let other = Person { username: person.username, ..Person::new() };
    harness.register(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let harness = Harness::new().await;
    let name = unique("ada_");
    let wanting: Vec<Person> = (0..8).map(|_| Person { username: name.clone(), ..Person::new() }).collect();
    let results = futures_util::future::join_all(wanting.iter().map(|person| harness.register(person))).await;
    let lucky: Vec<&Person> = wanting.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(p, _)| p).collect();
    assert_eq!(lucky.len(), 1);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.reason, "USERNAME_TAKEN");
    }
    let code = harness.cluster.mailbox.code(&lucky[0].email).await;
    harness.verify(&lucky[0].email, &code).await.unwrap();
    harness.login(&name, PASSWORD, &device()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_of_one_address_at_once_one_mail_is_sent() {
    let harness = Harness::new().await;
    let email = Person::new().email;
    let trying: Vec<Person> = (0..6).map(|_| Person { email: email.clone(), ..Person::new() }).collect();
    let results = futures_util::future::join_all(trying.iter().map(|person| harness.register(person))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "CODE_TOO_SOON"));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
    }
    let code = harness.cluster.mailbox.code(&email).await;
    harness.verify(&email, &code).await.unwrap();
    assert_eq!(harness.cluster.mailbox.mails(&email).len(), 1);
}
