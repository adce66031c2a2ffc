use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godwit_contract::auth::v1::{
    DeleteMeRequest, ForgotPasswordRequest, LogoutRequest, RefreshRequest, ResetPasswordRequest,
};
use tracing_subscriber::EnvFilter;

use crate::harness::{Harness, PASSWORD, as_caller, failure, tokens};
use crate::support::{complete, from_address, guarded, mail_about, next_code, wrong_code};

/// Everything that this process logs.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_address_reaches_the_log() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info,godwit_auth=trace,godwit_rpc=trace,godwit_events=trace"))
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let harness = Harness::new().await;
    let (person, device, login) = harness.session().await;
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.login(&person.email, "a wrong password", &device).await.unwrap_err();
    harness.verify("x", &code).await.unwrap_err();
    let request = RefreshRequest { refresh_token: tokens(&login).refresh_token.clone() };
    let refreshed = harness.auth().refresh(request.clone()).await.unwrap().into_inner().tokens.unwrap();
    harness.advance(Duration::from_secs(60));
    assert_eq!(failure(harness.auth().refresh(request).await.unwrap_err()).reason, "REFRESH_TOKEN_REUSED");
    harness.auth().logout(as_caller(&login, &device, LogoutRequest {})).await.unwrap();

    let (secret, codes) = guarded(&harness, &login, &device).await;
    let challenged = harness.login(&person.email, PASSWORD, &device).await.unwrap();
    let totp_code = next_code(&harness, &secret);
    complete(&harness, &challenged, &device, &wrong_code(&harness, &secret)).await.unwrap_err();
    complete(&harness, &challenged, &device, &totp_code).await.unwrap();
    let request = ForgotPasswordRequest { email: person.email.clone() };
    harness.auth().forgot_password(from_address("192.0.2.123", request)).await.unwrap();
    let mail = mail_about(&harness, &person.email, "Set a new Godwit password").await;
    let reset_token = mail.text.split_whitespace().find(|word| word.len() == 43).unwrap();
    let request =
        ResetPasswordRequest { token: reset_token.to_owned(), new_password: "quite another secret".to_owned() };
    harness.auth().reset_password(from_address("192.0.2.123", request)).await.unwrap();
    let delete = DeleteMeRequest { password: "quite another secret".to_owned() };
    harness.replica.users().delete_me(as_caller(&login, &device, delete)).await.unwrap();

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("auth.register") && log.contains("auth.refresh"), "the log was captured");
    let tokens = tokens(&login);
    for secret in [
        PASSWORD,
        "a wrong password",
        &person.email,
        &tokens.access_token,
        &tokens.refresh_token,
        &refreshed.access_token,
        &refreshed.refresh_token,
        &secret,
        &codes[0],
        &challenged.challenge.as_ref().unwrap().token,
        reset_token,
        "quite another secret",
        "192.0.2.123",
    ] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    let is_code = |word: &str| word == code || word == totp_code;
    assert!(!log.split(|c: char| !c.is_ascii_digit()).any(is_code), "the log holds the code");
}
