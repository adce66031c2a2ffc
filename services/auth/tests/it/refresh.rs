use std::time::Duration;

use godwit_contract::auth::v1::{ListRevocationsRequest, RefreshRequest, Tokens};
use godwit_rpc::Failure;

use crate::harness::{Harness, PASSWORD, device, failure, tokens};
use crate::support::mail_about;

async fn refresh(harness: &Harness, token: &str) -> Result<Tokens, Failure> {
    let request = RefreshRequest { refresh_token: token.to_owned() };
    harness.auth().refresh(request).await.map(|response| response.into_inner().tokens.unwrap()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refresh_rotates_the_token() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let mut token = tokens(&login).refresh_token.clone();
    for _ in 0..5 {
        harness.advance(Duration::from_secs(15 * 60));
        let next = refresh(&harness, &token).await.unwrap();
        assert_ne!(next.refresh_token, token);
        assert_eq!(next.session_id, tokens(&login).session_id);
        token = next.refresh_token;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_repeated_with_the_same_successor() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let first = refresh(&harness, &tokens(&login).refresh_token).await.unwrap();
    harness.advance(Duration::from_secs(10));
    let again = refresh(&harness, &tokens(&login).refresh_token).await.unwrap();
    assert_eq!(again.refresh_token, first.refresh_token);
    refresh(&harness, &again.refresh_token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_at_once_agree_on_one_successor() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let refreshes = (0..8).map(|_| refresh(&harness, &tokens(&login).refresh_token));
    let answers = futures_util::future::join_all(refreshes).await;
    let successors: Vec<String> = answers.into_iter().map(|answer| answer.unwrap().refresh_token).collect();
    assert!(successors.iter().all(|successor| *successor == successors[0]));
    refresh(&harness, &successors[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_token_ends_the_session_and_alerts() {
    let harness = Harness::new().await;
    let (person, _, login) = harness.session().await;
    let other = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    let stolen = tokens(&login).refresh_token.clone();
    let next = refresh(&harness, &stolen).await.unwrap();
    harness.advance(Duration::from_secs(11));
    let refused = refresh(&harness, &stolen).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (401, "REFRESH_TOKEN_REUSED"));
    assert_eq!(refresh(&harness, &next.refresh_token).await.unwrap_err().reason, "SESSION_REVOKED");
    let revoked =
        harness.replica.internal().list_revocations(ListRevocationsRequest::default()).await.unwrap().into_inner();
    assert_eq!(revoked.revocations[0].session_id, tokens(&login).session_id);
    let mail = mail_about(&harness, &person.email, "A device was logged out of your Godwit account").await;
    assert!(mail.text.contains("Ada's phone"), "{}", mail.text);
    // The other device goes on.
    refresh(&harness, &tokens(&other).refresh_token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_used_long_ago_is_still_known_as_used() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let mut token = tokens(&login).refresh_token.clone();
    for _ in 0..4 {
        harness.advance(Duration::from_secs(60 * 24 * 3_600));
        token = refresh(&harness, &token).await.unwrap().refresh_token;
    }
    let refused = refresh(&harness, &tokens(&login).refresh_token).await.unwrap_err();
    assert_eq!(refused.reason, "REFRESH_TOKEN_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_token_ends_nothing() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let token = &tokens(&login).refresh_token;
    let mut changed = token.clone().into_bytes();
    changed[30] = if changed[30] == b'A' { b'B' } else { b'A' };
    for made_up in ["", "x", &String::from_utf8(changed).unwrap(), &token[1..]] {
        let refused = refresh(&harness, made_up).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (401, "REFRESH_TOKEN_INVALID"));
    }
    refresh(&harness, token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_that_is_not_refreshed() {
    let harness = Harness::with(&["--auth-session-idle-days=30"]).await;
    let (_, _, login) = harness.session().await;
    harness.advance(Duration::from_secs(29 * 24 * 3_600));
    let next = refresh(&harness, &tokens(&login).refresh_token).await.unwrap();
    harness.advance(Duration::from_secs(30 * 24 * 3_600));
    assert_eq!(refresh(&harness, &next.refresh_token).await.unwrap_err().reason, "SESSION_EXPIRED");
}
