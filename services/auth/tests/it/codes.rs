use std::time::Duration;

use godwit_contract::auth::v1::ResendCodeRequest;
use godwit_contract::events::v1::{AccountEvent, account_event};
use godwit_events::topics;
use godwit_rpc::Failure;

use crate::harness::{Harness, PASSWORD, Person, device, failure};
use crate::support::consume;

async fn registered(harness: &Harness) -> (Person, String) {
    let person = Person::new();
    harness.register(&person).await.unwrap();
    let code = harness.cluster.mailbox.code(&person.email).await;
    (person, code)
}

fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn resend(harness: &Harness, email: &str) -> Result<(), Failure> {
    let request = ResendCodeRequest { email: email.to_owned() };
    harness.auth().resend_code(request).await.map(|_| ()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_ends_after_fifteen_minutes() {
    let harness = Harness::new().await;
    let (person, code) = registered(&harness).await;
    harness.advance(Duration::from_secs(15 * 60));
    let refused = harness.verify(&person.email, &code).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (400, "CODE_EXPIRED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_code_is_a_wrong_field() {
    let harness = Harness::new().await;
    let refused = harness.verify("ada@example.org", "12345x").await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("INVALID_ARGUMENT", "code"));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_lock_for_fifteen_minutes() {
    let harness = Harness::new().await;
    let (person, code) = registered(&harness).await;
    for _ in 0..5 {
        assert_eq!(harness.verify(&person.email, other_than(&code)).await.unwrap_err().reason, "CODE_WRONG");
    }
    let refused = harness.verify(&person.email, &code).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "CODE_LOCKED"));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(15 * 60)));
    assert_eq!(resend(&harness, &person.email).await.unwrap_err().reason, "CODE_LOCKED");
    harness.advance(Duration::from_secs(15 * 60));
    resend(&harness, &person.email).await.unwrap();
    let code = harness.cluster.mailbox.wait_for(&person.email, 2).await.code().unwrap();
    harness.verify(&person.email, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wrong_codes_at_once_are_no_more_than_five_tries() {
    let harness = Harness::new().await;
    let (person, code) = registered(&harness).await;
    let tries = (0..20).map(|_| harness.verify(&person.email, other_than(&code)));
    let results = futures_util::future::join_all(tries).await;
    let reasons: Vec<String> = results.into_iter().map(|result| result.unwrap_err().reason).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_WRONG").count(), 5);
    assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_LOCKED").count(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_refused_like_a_known_one() {
    let harness = Harness::new().await;
    let (person, code) = registered(&harness).await;
    let unknown = Person::new();
    for _ in 0..7 {
        let of_known = harness.verify(&person.email, other_than(&code)).await.unwrap_err();
        let of_unknown = harness.verify(&unknown.email, other_than(&code)).await.unwrap_err();
        assert_eq!(of_known, of_unknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_sent_again_once_a_minute_and_five_times_a_day() {
    let harness = Harness::new().await;
    let (person, _) = registered(&harness).await;
    let unknown = Person::new();
    resend(&harness, &unknown.email).await.unwrap();
    for sent in 2..=5 {
        for email in [&person.email, &unknown.email] {
            let refused = resend(&harness, email).await.unwrap_err();
            assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "CODE_TOO_SOON"));
            assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
        }
        harness.advance(Duration::from_secs(60));
        resend(&harness, &person.email).await.unwrap();
        resend(&harness, &unknown.email).await.unwrap();
        harness.cluster.mailbox.wait_for(&person.email, sent).await;
    }
    harness.advance(Duration::from_secs(60));
    for email in [&person.email, &unknown.email] {
        assert_eq!(resend(&harness, email).await.unwrap_err().reason, "CODE_DAILY_LIMIT");
    }
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
    assert_eq!(harness.cluster.mailbox.mails(&unknown.email).len(), 0, "nothing waits there for a code");
    assert_eq!(harness.cluster.mailbox.mails(&person.email).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_right_codes_at_once_make_one_account_and_one_event() {
    let harness = Harness::new().await;
    let (person, code) = registered(&harness).await;
    let mut events = consume::<AccountEvent>(&harness, &topics::ACCOUNTS);
    let tries = (0..8).map(|_| harness.verify(&person.email, &code));
    for result in futures_util::future::join_all(tries).await {
        result.unwrap();
    }
    let event = events.next().await;
    let Some(account_event::Event::AccountVerified(verified)) = event.event else { unreachable!("the only kind") };
    let user = verified.user.unwrap();
    assert_eq!(user.username, person.username);
    let login = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    assert_eq!(login.user.unwrap(), user);

    // The next account's event is the next there is: the tries above made one.
    let other = harness.account().await;
    let event = events.next().await;
    let Some(account_event::Event::AccountVerified(verified)) = event.event else { unreachable!("the only kind") };
    assert_eq!(verified.user.unwrap().username, other.username);
}
