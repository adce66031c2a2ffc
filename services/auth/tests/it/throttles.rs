use std::time::Duration;

use godwit_contract::auth::v1::{LoginRequest, VerifyTwoFactorRequest};
use godwit_rpc::Failure;

use crate::harness::{Harness, PASSWORD, Person, device, failure};
use crate::support::{from_address, guarded, wrong_code};

async fn login_from(harness: &Harness, address: &str, login: &str, password: &str) -> Result<(), Failure> {
    let request = LoginRequest { login: login.to_owned(), password: password.to_owned(), device: Some(device()) };
    harness.auth().login(from_address(address, request)).await.map(|_| ()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_fifty_failures_then_a_growing_delay_and_an_hour_of_memory() {
    let harness = Harness::new().await;
    let person = harness.account().await;
    // One guess at each of many accounts, known and unknown: no account's own throttle sees it.
    for _ in 0..49 {
        let stranger = Person::new();
        let refused = login_from(&harness, "192.0.2.1", &stranger.username, "a guess for all").await.unwrap_err();
        assert_eq!(refused.reason, "BAD_CREDENTIALS");
    }
    // A right password is no failure, and forgives none.
    login_from(&harness, "192.0.2.1", &person.email, PASSWORD).await.unwrap();
    let last = login_from(&harness, "192.0.2.1", &person.email, "a guess for all").await.unwrap_err();
    assert_eq!(last.reason, "BAD_CREDENTIALS");
    for pause in [1, 2, 4, 8] {
        let refused = login_from(&harness, "::ffff:192.0.2.1", &person.email, PASSWORD).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "ADDRESS_THROTTLED"));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(pause)));
        harness.advance(Duration::from_secs(pause));
        let stranger = Person::new();
        login_from(&harness, "192.0.2.1", &stranger.username, "a guess for all").await.unwrap_err();
    }
    // Others are not affected.
    login_from(&harness, "192.0.2.2", &person.email, PASSWORD).await.unwrap();
    harness.advance(Duration::from_secs(3_601));
    for _ in 0..50 {
        let stranger = Person::new();
        let refused = login_from(&harness, "192.0.2.1", &stranger.username, "a guess for all").await.unwrap_err();
        assert_eq!(refused.reason, "BAD_CREDENTIALS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_network_counts_as_one_address() {
    let harness = Harness::new().await;
    for host in 0..50 {
        let stranger = Person::new();
        let address = format!("2001:db8:0:7::{host:x}");
        login_from(&harness, &address, &stranger.username, "a guess for all").await.unwrap_err();
    }
    let stranger = Person::new();
    let of_network = login_from(&harness, "2001:db8:0:7:ffff::1", &stranger.username, PASSWORD).await.unwrap_err();
    assert_eq!(of_network.reason, "ADDRESS_THROTTLED");
    let of_next = login_from(&harness, "2001:db8:0:8::1", &stranger.username, PASSWORD).await.unwrap_err();
    assert_eq!(of_next.reason, "BAD_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_second_factors_count_for_the_address_too() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    for _ in 0..49 {
        let stranger = Person::new();
        login_from(&harness, "192.0.2.9", &stranger.username, "a guess for all").await.unwrap_err();
    }
    let phone = device();
    let challenged = harness.login(&person.email, PASSWORD, &phone).await.unwrap();
    let request = VerifyTwoFactorRequest {
        challenge_token: challenged.challenge.unwrap().token,
        device_id: phone.id.clone(),
        code: wrong_code(&harness, &secret),
    };
    for reason in ["TWO_FACTOR_CODE_WRONG", "ADDRESS_THROTTLED"] {
        let request = from_address("192.0.2.9", request.clone());
        assert_eq!(failure(harness.auth().verify_two_factor(request).await.unwrap_err()).reason, reason);
    }
}
