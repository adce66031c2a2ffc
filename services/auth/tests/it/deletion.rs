use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl as _;
use godwit_auth::SCHEMA;
use godwit_contract::auth::v1::{
    DeleteMeRequest, Device, ForgotPasswordRequest, LoginResponse, ResendCodeRequest, ResetPasswordRequest,
};
use godwit_contract::events::v1::{AccountEvent, account_event};
use godwit_events::topics;
use godwit_rpc::Failure;
use godwit_testkit::{env, eventually};
use time::OffsetDateTime;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure};
use crate::support::{complete, consume, guarded, mail_about, mails_about, next_code, refresh};

const THIRTY_DAYS: Duration = Duration::from_secs(30 * 24 * 3_600);

async fn delete(harness: &Harness, login: &LoginResponse, device: &Device, password: &str) -> Result<(), Failure> {
    let request = DeleteMeRequest { password: password.to_owned() };
    harness.replica.users().delete_me(as_caller(login, device, request)).await.map(|_| ()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_needs_the_password_and_ends_all_sessions() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let other = harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    assert_eq!(delete(&harness, &login, &own, "").await.unwrap_err().fields[0].field, "password");
    for _ in 0..5 {
        let refused = delete(&harness, &login, &own, "a wrong password").await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (403, "PASSWORD_WRONG"));
    }
    assert_eq!(delete(&harness, &login, &own, PASSWORD).await.unwrap_err().reason, "PASSWORD_THROTTLED");
    refresh(&harness, &other).await.unwrap();
    harness.advance(Duration::from_secs(1));
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    for login in [&login, &other] {
        assert_eq!(refresh(&harness, login).await.unwrap_err().reason, "SESSION_REVOKED");
    }
    mail_about(&harness, &person.email, "Your Godwit account was deleted").await;
    // The access token may live a little longer, the account does not.
    assert_eq!(delete(&harness, &login, &own, PASSWORD).await.unwrap_err().reason, "USER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_within_thirty_days_brings_the_account_back() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let mut events = consume::<AccountEvent>(&harness, &topics::ACCOUNTS);
    assert!(matches!(events.next().await.event, Some(account_event::Event::AccountVerified(_))));
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    let user = login.user.clone().unwrap();
    let Some(account_event::Event::AccountDeleted(deleted)) = events.next().await.event else {
        unreachable!("the deletion comes next")
    };
    assert_eq!(deleted.user_id, user.id);
    harness.advance(THIRTY_DAYS - Duration::from_secs(1));
    let wrong = harness.login(&person.email, "a wrong password", &own).await.unwrap_err();
    assert_eq!(wrong.reason, "BAD_CREDENTIALS");
    let back = harness.login(&person.username, PASSWORD, &own).await.unwrap();
    assert_eq!(back.user.as_ref(), Some(&user));
    let Some(account_event::Event::AccountRestored(restored)) = events.next().await.event else {
        unreachable!("the return comes next")
    };
    assert_eq!(restored.user, Some(user));
    mail_about(&harness, &person.email, "Your Godwit account is back").await;
    refresh(&harness, &back).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_account_comes_back_by_its_second_factor_only() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    let challenged = harness.login(&person.email, PASSWORD, &own).await.unwrap();
    assert!(challenged.tokens.is_none());
    assert_eq!(mails_about(&harness, &person.email, "Your Godwit account is back"), 0);
    complete(&harness, &challenged, &own, &next_code(&harness, &secret)).await.unwrap();
    mail_about(&harness, &person.email, "Your Godwit account is back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_thirty_days_a_deleted_account_is_unknown_to_logins() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    harness.advance(THIRTY_DAYS);
    for login in [&person.email, &person.username] {
        assert_eq!(harness.login(login, PASSWORD, &own).await.unwrap_err().reason, "BAD_CREDENTIALS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_unknown_to_resets_and_codes() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let subject = "Set a new Godwit password";
    let ask = async || {
        let request = ForgotPasswordRequest { email: person.email.clone() };
        harness.auth().forgot_password(request).await.unwrap();
    };
    ask().await;
    let mail = mail_about(&harness, &person.email, subject).await;
    let token = mail.text.split_whitespace().find(|word| word.len() == 43).unwrap().to_owned();
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    let request = ResetPasswordRequest { token, new_password: "quite another password".to_owned() };
    let refused = failure(harness.auth().reset_password(request).await.unwrap_err());
    assert_eq!(refused.reason, "RESET_TOKEN_INVALID");
    harness.advance(Duration::from_secs(61));
    ask().await;
    let request = ResendCodeRequest { email: person.email.clone() };
    harness.auth().resend_code(request).await.unwrap();
    // The deletion's mail was queued first, a stranger's code last: what lies between had come by then.
    let stranger = Person::new();
    harness.register(&stranger).await.unwrap();
    harness.cluster.mailbox.code(&stranger.email).await;
    assert_eq!(mails_about(&harness, &person.email, subject), 1);
    let codes = harness.cluster.mailbox.mails(&person.email).into_iter().filter(|mail| mail.code().is_some());
    assert_eq!(codes.count(), 1, "that of the registration");
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Remains {
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    display_name: String,
    #[diesel(sql_type = Text)]
    password_hash: String,
    #[diesel(sql_type = Text)]
    bio: String,
    #[diesel(sql_type = Bool)]
    has_avatar: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    purged_at: Option<OffsetDateTime>,
}

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows of all tables hold a text, the outbox left out.
async fn rows_with(harness: &Harness, text: &str) -> i64 {
    let tables = [
        "users",
        "registrations",
        "usernames",
        "email_codes",
        "sessions",
        "known_devices",
        "logins",
        "totp_secrets",
        "recovery_codes",
        "challenges",
        "password_resets",
        "mails",
        "relationships",
    ];
    let pool = harness.cluster.db.pool(&SCHEMA);
    let mut conn = pool.get().await.unwrap();
    let mut count = 0;
    for table in tables {
        let query = format!("SELECT count(*) FROM {table} AS t WHERE t::text LIKE $1");
        let found: Rows =
            diesel::sql_query(query).bind::<Text, _>(format!("%{text}%")).get_result(&mut conn).await.unwrap();
        count += found.count;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn after_thirty_days_a_deleted_account_is_anonymous_and_its_name_free() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (_, _, eve) = harness.session().await;
    guarded(&harness, &login, &own).await;
    let request = ForgotPasswordRequest { email: person.email.clone() };
    harness.auth().forgot_password(request).await.unwrap();
    harness.login(&person.email, "a wrong password", &device()).await.unwrap_err();
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    delete(&harness, &login, &own, PASSWORD).await.unwrap();
    let mut events = consume::<AccountEvent>(&harness, &topics::ACCOUNTS);
    harness.advance(THIRTY_DAYS);

    let smtp = format!("--auth-smtp-url=smtp://{}", env::smtp());
    // Replicas that look at once purge once.
    let replicas = [harness.cluster.start(&[&smtp]).await.unwrap(), harness.cluster.start(&[&smtp]).await.unwrap()];
    let user_id = &login.user.as_ref().unwrap().id;
    let query = format!(
        "SELECT username, email, display_name, password_hash, bio, avatar_media_id IS NOT NULL AS has_avatar, purged_at \
         FROM users WHERE id = '{user_id}'"
    );
    let remains: Remains = eventually(Duration::from_secs(20), || async {
        let pool = harness.cluster.db.pool(&SCHEMA);
        let row: Remains = diesel::sql_query(&query).get_result(&mut pool.get().await.unwrap()).await.unwrap();
        row.purged_at.is_some().then_some(row)
    })
    .await;
    let expected = Remains {
        username: format!("deleted_{user_id}"),
        email: format!("{user_id}@deleted.invalid"),
        display_name: String::new(),
        password_hash: String::new(),
        bio: String::new(),
        has_avatar: false,
        purged_at: Some(harness.replica.platform.clock.now()),
    };
    assert_eq!(remains, expected);
    assert_eq!(rows_with(&harness, user_id).await, 1, "its row alone");
    for text in [&person.email, &person.username] {
        assert_eq!(rows_with(&harness, text).await, 0);
    }
    let mut purged = Vec::new();
    while purged.is_empty() {
        if let Some(account_event::Event::AccountPurged(event)) = events.next().await.event {
            purged.push(event.user_id);
        }
    }
    assert_eq!(purged, [user_id.as_str()]);

    // The name and the address are anybody's.
    let again = Person { email: person.email.clone(), username: person.username.clone() };
    let mails = mails_about(&harness, &person.email, "Your Godwit code");
    harness.register(&again).await.unwrap();
    eventually(Duration::from_secs(20), || async {
        (mails_about(&harness, &person.email, "Your Godwit code") > mails).then_some(())
    })
    .await;
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
    // Others are as they were.
    refresh(&harness, &eve).await.unwrap();
    for replica in replicas {
        replica.stop().await;
    }
}
