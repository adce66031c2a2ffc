use std::time::Duration;

use godwit_contract::auth::v1::{GetMeRequest, GetUserByUsernameRequest, GetUserRequest, GetUsersRequest};
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_sees_themselves_with_their_address() {
    let harness = Harness::new().await;
    let (person, device, login) = harness.session().await;
    let me = harness.auth().get_me(as_caller(&login, &device, GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!((me.user, me.email), (login.user, person.email));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_found_by_id_and_name() {
    let harness = Harness::new().await;
    let (_, device, login) = harness.session().await;
    let bob = harness.account().await;
    let bob_user = harness.login(&bob.email, PASSWORD, &crate::harness::device()).await.unwrap().user.unwrap();
    let request = GetUserRequest { user_id: bob_user.id.clone() };
    let by_id = harness.auth().get_user(as_caller(&login, &device, request)).await.unwrap().into_inner();
    let request = GetUserByUsernameRequest { username: bob.username.to_uppercase() };
    let by_name = harness.auth().get_user_by_username(as_caller(&login, &device, request)).await.unwrap().into_inner();
    assert_eq!((by_id.user, by_name.user), (Some(bob_user.clone()), Some(bob_user)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_not_found() {
    let harness = Harness::new().await;
    let (_, device, login) = harness.session().await;
    let unconfirmed = Person::new();
    harness.register(&unconfirmed).await.unwrap();
    for name in [unconfirmed.username.as_str(), "nobody_at_all", "no such name!"] {
        let request = GetUserByUsernameRequest { username: name.to_owned() };
        let refused =
            failure(harness.auth().get_user_by_username(as_caller(&login, &device, request)).await.unwrap_err());
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "USER_NOT_FOUND"));
    }
    let user_id = UserId::generate(&SystemClock, &SystemEntropy).to_string();
    let refused = harness.auth().get_user(as_caller(&login, &device, GetUserRequest { user_id })).await.unwrap_err();
    assert_eq!(failure(refused).reason, "USER_NOT_FOUND");
    let request = GetUserRequest { user_id: "42".to_owned() };
    let refused = failure(harness.auth().get_user(as_caller(&login, &device, request)).await.unwrap_err());
    assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("INVALID_ARGUMENT", "user_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_without_token_sees_nobody() {
    let harness = Harness::new().await;
    let mut auth = harness.auth();
    let request = GetUserByUsernameRequest { username: "ada".to_owned() };
    for status in [
        auth.get_me(GetMeRequest {}).await.unwrap_err(),
        auth.get_user(GetUserRequest::default()).await.unwrap_err(),
        auth.get_user_by_username(request).await.unwrap_err(),
    ] {
        assert_eq!(failure(status).reason, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_looked_up_at_once() {
    let harness = Harness::new().await;
    let (_, _, ada) = harness.session().await;
    harness.advance(Duration::from_secs(1));
    let bob = harness.account().await;
    let bob = harness.login(&bob.email, PASSWORD, &device()).await.unwrap();
    let users = [ada.user.unwrap(), bob.user.unwrap()];
    let unknown = UserId::generate(&SystemClock, &SystemEntropy).to_string();
    let user_ids = vec![users[1].id.clone(), unknown.clone(), users[0].id.clone(), users[0].id.clone()];
    let mut internal = harness.replica.internal();
    let found = internal.get_users(GetUsersRequest { user_ids }).await.unwrap().into_inner().users;
    assert_eq!(found, users);
    let too_many = GetUsersRequest { user_ids: vec![unknown; 201] };
    assert_eq!(failure(internal.get_users(too_many).await.unwrap_err()).fields[0].field, "user_ids");
    let wrong = GetUsersRequest { user_ids: vec!["x".to_owned()] };
    assert_eq!(failure(internal.get_users(wrong).await.unwrap_err()).reason, "INVALID_ARGUMENT");
}
