use std::time::Duration;

use clap::Command;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use godwit_auth::{Auth, SCHEMA};
use godwit_contract::auth::v1::{ForgotPasswordRequest, LogoutRequest};
use godwit_runtime::options::CommandLine;
use godwit_runtime::{Process, ServiceEntry};
use godwit_testkit::{env, eventually};
use tokio::net::TcpListener;

use crate::harness::{Cluster, Harness, PASSWORD, Person, as_caller, device};
use crate::support::guarded;

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(cluster: &Cluster, table: &str) -> i64 {
    let pool = cluster.db.pool(&SCHEMA);
    let mut conn = pool.get().await.unwrap();
    let rows: Rows = diesel::sql_query(format!("SELECT count(*) FROM {table}")).get_result(&mut conn).await.unwrap();
    rows.count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_deleted_and_nothing_else() {
    let harness = Harness::new().await;
    let (ada, ada_device, login) = harness.session().await;
    harness.auth().logout(as_caller(&login, &ada_device, LogoutRequest {})).await.unwrap();
    harness.login(&ada.email, "a wrong password", &device()).await.unwrap_err();
    harness.login(&ada.username, PASSWORD, &device()).await.unwrap();
    harness.register(&Person::new()).await.unwrap();
    let (eve, eve_device, eve_login) = harness.session().await;
    guarded(&harness, &eve_login, &eve_device).await;
    harness.login(&eve.email, PASSWORD, &device()).await.unwrap();
    let request = ForgotPasswordRequest { email: Person::new().email };
    harness.auth().forgot_password(request).await.unwrap();
    let smtp = format!("--auth-smtp-url=smtp://{}", env::smtp());
    for (days, expected) in [
        // registrations, usernames, email_codes, login_throttles, revocations, sessions, users, logins, challenges,
        // password_resets
        (0, [1, 3, 3, 1, 1, 2, 2, 5, 1, 1]),
        (2, [0, 2, 0, 0, 0, 2, 2, 5, 0, 0]),
        (180, [0, 2, 0, 0, 0, 0, 2, 0, 0, 0]),
    ] {
        harness.advance(Duration::from_secs(days * 24 * 3_600));
        // A process that starts deletes what has ended.
        let replica = harness.cluster.start(&[&smtp]).await.unwrap();
        let tables = [
            "registrations",
            "usernames",
            "email_codes",
            "login_throttles",
            "revocations",
            "sessions",
            "users",
            "logins",
            "challenges",
            "password_resets",
        ];
        eventually(Duration::from_secs(20), || async {
            let mut counts = Vec::new();
            for table in tables {
                counts.push(count(&harness.cluster, table).await);
            }
            if counts == expected { Ok(()) } else { Err(counts) }
        })
        .await;
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_whether_mail_can_leave() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = silent.local_addr().unwrap();
    drop(silent);
    for (url, is_well) in [(format!("smtp://{}", env::smtp()), true), (format!("smtp://{closed}"), false)] {
        let services = [ServiceEntry::of::<Auth>()];
        let arguments = ["doctor".to_owned(), format!("--auth-smtp-url={url}")];
        let parsed =
            CommandLine::new(Command::new("doctor"), Process::option_groups(&services)).parse(arguments).unwrap();
        let found = services[0].diagnose(&parsed.groups[2]).await.unwrap();
        assert_eq!((found.len(), found[0].part.as_str(), found[0].result.is_ok()), (1, "mail", is_well));
    }
}
