use std::time::Duration;

use diesel_async::RunQueryDsl as _;
use godwit_auth::SCHEMA;
use godwit_contract::auth::v1::{
    GetMeRequest, GetUserByUsernameRequest, GetUserRequest, GetUsersRequest, Relationship,
};
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure};
use crate::people::{People, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_sees_themselves_with_their_address() {
    let harness = Harness::new().await;
    let (person, device, login) = harness.session().await;
    let request = as_caller(&login, &device, GetMeRequest {});
    let me = harness.replica.users().get_me(request).await.unwrap().into_inner();
    assert_eq!((me.user, me.email), (login.user, person.email));
    assert_eq!((me.two_factor_enabled, me.recovery_codes_left), (false, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_sees_whether_logins_ask_for_a_second_factor_and_how_many_codes_are_left() {
    let people = People::new().await;
    let ada = people.person().await;
    let secret = format!(
        "INSERT INTO totp_secrets (user_id, secret, is_sealed, created_at) VALUES ('{}', '', false, now())",
        ada.id
    );
    people.sql(&secret).await;
    assert!(!ada.me().await.two_factor_enabled, "an unconfirmed secret changes nothing");
    people.sql("UPDATE totp_secrets SET confirmed_at = now()").await;
    for code in ["a", "b", "c"] {
        people.sql(&format!("INSERT INTO recovery_codes VALUES ('{}', '{code}')", ada.id)).await;
    }
    let me = ada.me().await;
    assert_eq!((me.two_factor_enabled, me.recovery_codes_left), (true, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_found_by_id_and_name() {
    let harness = Harness::new().await;
    let (_, ada_device, login) = harness.session().await;
    let bob = harness.account().await;
    let bob_user = harness.login(&bob.email, PASSWORD, &device()).await.unwrap().user.unwrap();
    let mut users = harness.replica.users();
    let request = GetUserRequest { user_id: bob_user.id.clone() };
    let by_id = users.get_user(as_caller(&login, &ada_device, request)).await.unwrap().into_inner();
    let request = GetUserByUsernameRequest { username: bob.username.to_uppercase() };
    let by_name = users.get_user_by_username(as_caller(&login, &ada_device, request)).await.unwrap().into_inner();
    assert_eq!((by_id.user, by_name.user), (Some(bob_user.clone()), Some(bob_user)));
    let nothing = Some(Relationship::default());
    assert_eq!((by_id.relationship, by_name.relationship), (nothing, nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_not_found() {
    let people = People::new().await;
    let ada = people.person().await;
    let unconfirmed = Person::new();
    people.harness.register(&unconfirmed).await.unwrap();
    for name in [unconfirmed.username.as_str(), "nobody_at_all", "no such name!"] {
        let refused = ada.see_named(name).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "USER_NOT_FOUND"));
    }
    let unknown = UserId::generate(&SystemClock, &SystemEntropy);
    assert_eq!(reason(&ada.see(unknown).await), "USER_NOT_FOUND");
    let request = ada.request(GetUserRequest { user_id: "42".to_owned() });
    let refused = failure(people.harness.replica.users().get_user(request).await.unwrap_err());
    assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("INVALID_ARGUMENT", "user_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_gone_for_clients_and_a_stub_for_services() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    people.delete(bob.id).await;
    assert_eq!(reason(&ada.see(bob.id).await), "USER_NOT_FOUND");
    assert_eq!(reason(&ada.see_named(&bob.username).await), "USER_NOT_FOUND");
    assert_eq!(ada.friends(0, "").await.unwrap().friends, []);
    for viewer_id in [String::new(), ada.id.to_string()] {
        let request = GetUsersRequest { user_ids: vec![bob.id.to_string()], viewer_id };
        let users = people.harness.replica.internal().get_users(request).await.unwrap().into_inner().users;
        let stub = godwit_contract::v1::User { id: bob.id.to_string(), is_deleted: true, ..Default::default() };
        assert_eq!(users, [stub]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_without_token_sees_nobody() {
    let harness = Harness::new().await;
    let mut users = harness.replica.users();
    let request = GetUserByUsernameRequest { username: "ada".to_owned() };
    for status in [
        users.get_me(GetMeRequest {}).await.unwrap_err(),
        users.get_user(GetUserRequest::default()).await.unwrap_err(),
        users.get_user_by_username(request).await.unwrap_err(),
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
    for viewer_id in [String::new(), users[0].id.clone(), unknown.clone()] {
        let request = GetUsersRequest { user_ids: user_ids.clone(), viewer_id };
        assert_eq!(internal.get_users(request).await.unwrap().into_inner().users, users);
    }
    let too_many = GetUsersRequest { user_ids: vec![unknown; 201], viewer_id: String::new() };
    assert_eq!(failure(internal.get_users(too_many).await.unwrap_err()).fields[0].field, "user_ids");
    let wrong = GetUsersRequest { user_ids: vec!["x".to_owned()], viewer_id: String::new() };
    assert_eq!(failure(internal.get_users(wrong).await.unwrap_err()).reason, "INVALID_ARGUMENT");
    let wrong = GetUsersRequest { user_ids: vec![], viewer_id: "x".to_owned() };
    assert_eq!(failure(internal.get_users(wrong).await.unwrap_err()).fields[0].field, "viewer_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_computes_skeletons_as_the_service_does() {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        skeleton: String,
    }

    let people = People::new().await;
    // Each name is free for one who comes later only if both compute the same.
    for (name, skeleton) in
        [("l10_iiOo", "llo_lloo"), ("barn_burn", "bam_bum"), ("vvv_rrnn", "wv_rmn"), ("1rn0vvi", "lmowl")]
    {
        let person = people.named(&name.to_lowercase()).await;
        let query = format!("SELECT skeleton FROM usernames WHERE user_id = '{}'", person.id);
        let mut conn = people.harness.cluster.db.pool(&SCHEMA).get().await.unwrap();
        let row: Row = diesel::sql_query(query).get_result(&mut conn).await.unwrap();
        assert_eq!(row.skeleton, skeleton);
        let other = people.person().await;
        assert_eq!(reason(&other.rename(skeleton).await), "USERNAME_TAKEN");
    }
}
