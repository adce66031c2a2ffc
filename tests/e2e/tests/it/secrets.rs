//! What only one person may know is in no log, no event and no table.

use godwit_contract::auth::v1::{
    ConfirmTwoFactorResponse, LoginResponse, RefreshResponse, SetupTwoFactorResponse, VerifyTwoFactorResponse,
};
use godwit_testkit::{ClusterOptions, Mail, Shape, TestCluster};
use serde_json::{Value, json};

use crate::support::{Account, Encoding, PASSWORD, Rest, dump, fresh_uuid, totp_code};

/// Everything that was secret in a test, by what it is.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn keep(&mut self, what: &'static str, secret: &str) -> String {
        assert!(secret.len() >= 6, "{what} is too short to be looked for");
        self.0.push((what, secret.to_owned()));
        secret.to_owned()
    }

    fn assert_absent(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            // Six digits are part of many a number: only a whole run of them is the code.
            let is_there = if secret.bytes().all(|byte| byte.is_ascii_digit()) {
                text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == secret)
            } else {
                let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
                text.contains(secret.as_str()) || text.contains(&hexadecimal)
            };
            assert!(!is_there, "{what} is in {place}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_any_log_or_event_or_table() {
    // Events in the database, where all of them can be read.
    let cluster = ClusterOptions::new(Shape::Separate)
        .variable("GODWIT_LOG", "debug")
        .variable("GODWIT_EVENTS", "postgres")
        .variable("GODWIT_AUTH_KEY_SECRET", "only for this test, and long enough")
        .start()
        .await;
    let mut secrets = Secrets::default();
    live_through_everything(&cluster, &mut secrets).await;
    assert!(secrets.0.len() > 20, "all kinds of secrets were made");

    let logs = cluster.logs();
    assert!(logs.iter().map(|(_, log)| log.len()).sum::<usize>() > 10_000, "there is something to look at");
    for (name, log) in &logs {
        secrets.assert_absent(&format!("the log of {name}"), log);
    }
    let dump = dump(cluster.database_url());
    for topic in ["godwit.accounts.v1", "godwit.security.v1"] {
        assert!(dump.contains(topic), "events of {topic} are there");
    }
    assert!(dump.contains("@example.org"), "what is no secret is there");
    secrets.assert_absent("the database", &dump);
}

/// Each call of a person's account that takes or gives a secret, also the refused ones.
async fn live_through_everything(cluster: &TestCluster, secrets: &mut Secrets) {
    let open = Rest::open(cluster.gateway());
    secrets.keep("the password", PASSWORD);
    let (username, email) = Account::register(cluster.gateway(), "ada").await;
    let code = secrets.keep("the e-mail code", &cluster.mailbox().code(&email).await);
    open.post("/auth/verify-email", json!({"email": email, "code": "000000x"})).await.problem(400);
    open.post("/auth/verify-email", json!({"email": email, "code": code})).await.ok::<Value>();
    let ada = Account::log_in(cluster.gateway(), &username, &email).await;
    secrets.keep("an access token", &ada.access_token);
    let refresh = secrets.keep("a refresh token", &ada.refresh_token);
    let refreshed: RefreshResponse = open.post("/auth/refresh", json!({"refresh_token": refresh})).await.ok();
    let tokens = refreshed.tokens.unwrap();
    secrets.keep("an access token", &tokens.access_token);
    secrets.keep("a refresh token", &tokens.refresh_token);
    let rest = open.with_token(&tokens.access_token);
    drop(ada.connect(Encoding::Json).await);
    let by_query = format!("/ws/me?token={}", tokens.access_token);
    drop(crate::support::Socket::try_open(cluster.gateway(), &by_query, None, Encoding::Json).await.unwrap());

    let wrong = secrets.keep("a wrong password", "not the right horse");
    try_log_in(&open, &email, &wrong).await.problem(401);
    two_factors(&rest, &open, &email, secrets).await;
    reset_password(cluster, &open, &email, secrets).await;
}

async fn try_log_in(open: &Rest, login: &str, password: &str) -> crate::support::Answer {
    let device = json!({"id": fresh_uuid(), "name": "Phone", "platform": "linux"});
    open.post("/auth/login", json!({"login": login, "password": password, "device": device})).await
}

async fn two_factors(rest: &Rest, open: &Rest, email: &str, secrets: &mut Secrets) {
    let setup: SetupTwoFactorResponse = rest.post("/auth/2fa/setup", json!({})).await.ok();
    let secret = secrets.keep("the TOTP secret", &setup.secret);
    rest.post("/auth/2fa/confirm", json!({"code": "000000x"})).await.problem(400);
    let code = secrets.keep("a TOTP code", &totp_code(&secret));
    let confirmed: ConfirmTwoFactorResponse = rest.post("/auth/2fa/confirm", json!({"code": code})).await.ok();
    assert_eq!(confirmed.recovery_codes.len(), 10);
    for code in &confirmed.recovery_codes {
        secrets.keep("a recovery code", code);
    }
    let device_id = fresh_uuid();
    let device = json!({"id": device_id, "name": "Phone", "platform": "linux"});
    let body = json!({"login": email, "password": PASSWORD, "device": device});
    let challenged: LoginResponse = open.post("/auth/login", body).await.ok();
    let challenge = secrets.keep("a challenge", &challenged.challenge.unwrap().token);
    let verify = |code: &str| json!({"challenge_token": challenge, "device_id": device_id, "code": code});
    let wrong = secrets.keep("a wrong recovery code", "zzzz-zzzz-zzzz");
    open.post("/auth/2fa/verify", verify(&wrong)).await.problem(400);
    let verified: VerifyTwoFactorResponse =
        open.post("/auth/2fa/verify", verify(&confirmed.recovery_codes[0])).await.ok();
    let tokens = verified.tokens.unwrap();
    secrets.keep("an access token", &tokens.access_token);
    secrets.keep("a refresh token", &tokens.refresh_token);
    let disable = json!({"password": PASSWORD, "code": confirmed.recovery_codes[1]});
    rest.delete_with("/auth/2fa", disable).await.ok::<Value>();
}

async fn reset_password(cluster: &TestCluster, open: &Rest, email: &str, secrets: &mut Secrets) {
    let is_reset = |mail: &Mail| crate::accounts::reset_token(mail);
    open.post("/auth/password/forgot", json!({"email": email})).await.ok::<Value>();
    let token = godwit_testkit::eventually(std::time::Duration::from_secs(30), || async {
        cluster.mailbox().mails(email).iter().find_map(is_reset)
    });
    let token = secrets.keep("a reset token", &token.await);
    let password = secrets.keep("the new password", "quite another password");
    open.post("/auth/password/reset", json!({"token": token, "new_password": "short"})).await.problem(400);
    open.post("/auth/password/reset", json!({"token": token, "new_password": password})).await.ok::<Value>();
    let tokens = try_log_in(open, email, &password).await.ok::<LoginResponse>().tokens.unwrap();
    secrets.keep("an access token", &tokens.access_token);
    let rest = open.with_token(&tokens.access_token);
    rest.delete_with("/users/me", json!({"password": PASSWORD})).await.problem(403);
    rest.delete_with("/users/me", json!({"password": password})).await.ok::<Value>();
}
