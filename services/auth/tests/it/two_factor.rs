use std::time::Duration;

use godwit_contract::auth::v1::{
    DisableTwoFactorRequest, GetMeRequest, LoginOutcome, LoginResponse, SetupTwoFactorRequest, VerifyTwoFactorRequest,
};
use godwit_rpc::Failure;
use tonic::Code;

use crate::harness::{Harness, PASSWORD, Person, as_caller, device, failure, tokens};
use crate::support::{as_login, complete, confirm, guarded, mail_about, next_code, refresh, set_up, totp, wrong_code};

async fn challenged(harness: &Harness, person: &Person, device: &godwit_contract::auth::v1::Device) -> LoginResponse {
    let answer = harness.login(&person.email, PASSWORD, device).await.unwrap();
    assert!(answer.tokens.is_none() && answer.user.is_none(), "nothing but a challenge");
    answer
}

async fn disable(
    harness: &Harness,
    login: &LoginResponse,
    device: &godwit_contract::auth::v1::Device,
    (password, code): (&str, &str),
) -> Result<(), Failure> {
    let request = DisableTwoFactorRequest { password: password.to_owned(), code: code.to_owned() };
    harness.auth().disable_two_factor(as_caller(login, device, request)).await.map(|_| ()).map_err(failure)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_is_what_authenticators_read_and_changes_nothing_yet() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let setup = set_up(&harness, &login, &own).await;
    assert_eq!(setup.secret.len(), 32, "160 bits");
    let uri = format!(
        "otpauth://totp/Godwit:{}?secret={}&issuer=Godwit&algorithm=SHA1&digits=6&period=30",
        person.username, setup.secret
    );
    assert_eq!(setup.otpauth_uri, uri);
    assert!(setup.qr_svg.starts_with("<svg xmlns=") && setup.qr_png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(harness.login(&person.email, PASSWORD, &device()).await.unwrap().tokens.is_some());
    // Made again it takes the place of the one before.
    let again = set_up(&harness, &login, &own).await;
    assert_ne!(again.secret, setup.secret);
    let refused = confirm(&harness, &login, &own, &totp(&harness, &setup.secret)).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (400, "TWO_FACTOR_CODE_WRONG"));
    assert_eq!(confirm(&harness, &login, &own, &totp(&harness, &again.secret)).await.unwrap().len(), 10);
    mail_about(&harness, &person.email, "Two-factor logins are on for your Godwit account").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_login_opens_with_the_second_factor() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let me = harness.replica.users().get_me(as_caller(&login, &own, GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!((me.two_factor_enabled, me.recovery_codes_left), (true, 10));

    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    let ends_in = challenge.challenge.as_ref().unwrap().expires_at.unwrap().seconds
        - godwit_rpc::timestamp(harness.replica.platform.clock.now()).seconds;
    assert_eq!(ends_in, 300);
    let opened = complete(&harness, &challenge, &phone, &next_code(&harness, &secret)).await.unwrap();
    assert_eq!(opened.user.as_ref().unwrap().username, person.username);
    refresh(&harness, &as_login(opened)).await.unwrap();
    // Its challenge is used up.
    let again = complete(&harness, &challenge, &phone, &next_code(&harness, &secret)).await.unwrap_err();
    assert_eq!((again.http_status(), again.reason.as_str()), (401, "CHALLENGE_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_accepted_once() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let secret = set_up(&harness, &login, &own).await.secret;
    let code = totp(&harness, &secret);
    confirm(&harness, &login, &own, &code).await.unwrap();
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    let replayed = complete(&harness, &challenge, &phone, &code).await.unwrap_err();
    assert_eq!(replayed.reason, "TWO_FACTOR_CODE_WRONG");
    let code = next_code(&harness, &secret);
    complete(&harness, &challenge, &phone, &code).await.unwrap();
    let challenge = challenged(&harness, &person, &phone).await;
    assert_eq!(complete(&harness, &challenge, &phone, &code).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_one_step_before_and_after_are_taken() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let phone = device();
    harness.advance(Duration::from_secs(60));
    let code = totp(&harness, &secret);
    harness.advance(Duration::from_secs(30));
    let challenge = challenged(&harness, &person, &phone).await;
    complete(&harness, &challenge, &phone, &code).await.unwrap();
    // An authenticator that is 30 s ahead.
    harness.advance(Duration::from_secs(60));
    let ahead = totp(&harness, &secret);
    harness.cluster.clock.set(harness.replica.platform.clock.now() - Duration::from_secs(30));
    let challenge = challenged(&harness, &person, &phone).await;
    complete(&harness, &challenge, &phone, &ahead).await.unwrap();
    let code = next_code(&harness, &secret);
    let older = next_code(&harness, &secret);
    harness.advance(Duration::from_secs(60));
    let challenge = challenged(&harness, &person, &phone).await;
    for code in [code, older] {
        assert_eq!(complete(&harness, &challenge, &phone, &code).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_of_its_device_and_ends_after_five_minutes_and_five_tries() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    let elsewhere = complete(&harness, &challenge, &device(), &next_code(&harness, &secret)).await.unwrap_err();
    assert_eq!(elsewhere.reason, "CHALLENGE_INVALID");
    harness.advance(Duration::from_secs(300));
    let late = complete(&harness, &challenge, &phone, &totp(&harness, &secret)).await.unwrap_err();
    assert_eq!(late.reason, "CHALLENGE_INVALID");

    let challenge = challenged(&harness, &person, &phone).await;
    for _ in 0..5 {
        let wrong = complete(&harness, &challenge, &phone, &wrong_code(&harness, &secret)).await.unwrap_err();
        assert_eq!((wrong.http_status(), wrong.reason.as_str()), (400, "TWO_FACTOR_CODE_WRONG"));
    }
    harness.advance(Duration::from_secs(60));
    let spent = complete(&harness, &challenge, &phone, &totp(&harness, &secret)).await.unwrap_err();
    assert_eq!(spent.reason, "CHALLENGE_INVALID");

    for made_up in ["", "x", &"A".repeat(43)] {
        let request = VerifyTwoFactorRequest {
            challenge_token: made_up.to_owned(),
            device_id: phone.id.clone(),
            code: "123456".to_owned(),
        };
        let refused = failure(harness.auth().verify_two_factor(request).await.unwrap_err());
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unauthenticated, "CHALLENGE_INVALID"));
    }
    let request = VerifyTwoFactorRequest { challenge_token: String::new(), device_id: "x".into(), code: "1".into() };
    let refused = failure(harness.auth().verify_two_factor(request).await.unwrap_err());
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!((refused.reason.as_str(), fields), ("INVALID_ARGUMENT", vec!["device_id", "code"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_second_factors_are_throttled_across_challenges_confirm_and_disable() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let secret = set_up(&harness, &login, &own).await.secret;
    for _ in 0..2 {
        let wrong = wrong_code(&harness, &secret);
        assert_eq!(confirm(&harness, &login, &own, &wrong).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    }
    confirm(&harness, &login, &own, &totp(&harness, &secret)).await.unwrap();
    // The right code forgot those; three of a challenge and two of disabling make five.
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    for _ in 0..3 {
        let wrong = wrong_code(&harness, &secret);
        assert_eq!(complete(&harness, &challenge, &phone, &wrong).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    }
    for _ in 0..2 {
        let wrong = wrong_code(&harness, &secret);
        let refused = disable(&harness, &login, &own, (PASSWORD, &wrong)).await.unwrap_err();
        assert_eq!(refused.reason, "TWO_FACTOR_CODE_WRONG");
    }
    let challenge = challenged(&harness, &person, &phone).await;
    for pause in [1, 2, 4] {
        let right = totp(&harness, &secret);
        for refused in [
            complete(&harness, &challenge, &phone, &right).await.unwrap_err(),
            disable(&harness, &login, &own, (PASSWORD, &right)).await.unwrap_err(),
        ] {
            assert_eq!((refused.http_status(), refused.reason.as_str()), (429, "TWO_FACTOR_THROTTLED"));
            assert_eq!(refused.retry_after, Some(Duration::from_secs(pause)));
        }
        harness.advance(Duration::from_secs(pause));
        let wrong = wrong_code(&harness, &secret);
        assert_eq!(complete(&harness, &challenge, &phone, &wrong).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    }
    harness.advance(Duration::from_secs(60));
    complete(&harness, &challenge, &phone, &totp(&harness, &secret)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_and_is_reported() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (_, codes) = guarded(&harness, &login, &own).await;
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    let shouted = codes[3].to_uppercase().replace('-', " ");
    complete(&harness, &challenge, &phone, &shouted).await.unwrap();
    let challenge = challenged(&harness, &person, &phone).await;
    assert_eq!(complete(&harness, &challenge, &phone, &codes[3]).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    complete(&harness, &challenge, &phone, &codes[4]).await.unwrap();
    let me = harness.replica.users().get_me(as_caller(&login, &own, GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!(me.recovery_codes_left, 8);
    let mail = mail_about(&harness, &person.email, "A recovery code of your Godwit account was used").await;
    assert!(mail.text.contains("left."), "{}", mail.text);
    // Another person's code is nobody's here.
    let (eve, eve_device, eve_login) = harness.session().await;
    guarded(&harness, &eve_login, &eve_device).await;
    let challenge = challenged(&harness, &eve, &phone).await;
    assert_eq!(complete(&harness, &challenge, &phone, &codes[5]).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_needs_password_and_code() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let none = disable(&harness, &login, &own, (PASSWORD, "123456")).await.unwrap_err();
    assert_eq!((none.code, none.reason.as_str()), (Code::FailedPrecondition, "TWO_FACTOR_NOT_ON"));
    let (secret, codes) = guarded(&harness, &login, &own).await;
    let code = next_code(&harness, &secret);
    let refused = disable(&harness, &login, &own, ("a wrong password", &code)).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (403, "PASSWORD_WRONG"));
    let wrong = wrong_code(&harness, &secret);
    assert_eq!(disable(&harness, &login, &own, (PASSWORD, &wrong)).await.unwrap_err().reason, "TWO_FACTOR_CODE_WRONG");
    let refused = disable(&harness, &login, &own, ("", "x")).await.unwrap_err();
    assert_eq!(refused.fields.len(), 2);

    let phone = device();
    let waiting = challenged(&harness, &person, &phone).await;
    disable(&harness, &login, &own, (PASSWORD, &code)).await.unwrap();
    assert_eq!(complete(&harness, &waiting, &phone, &codes[0]).await.unwrap_err().reason, "CHALLENGE_INVALID");
    assert!(harness.login(&person.email, PASSWORD, &phone).await.unwrap().tokens.is_some());
    mail_about(&harness, &person.email, "Two-factor logins are off for your Godwit account").await;
    let again = disable(&harness, &login, &own, (PASSWORD, &code)).await.unwrap_err();
    assert_eq!(again.reason, "TWO_FACTOR_NOT_ON");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_is_not_set_up_again_and_what_is_not_set_up_is_not_confirmed() {
    let harness = Harness::new().await;
    let (_, own, login) = harness.session().await;
    let refused = confirm(&harness, &login, &own, "123456").await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::FailedPrecondition, "TWO_FACTOR_NOT_SET_UP"));
    assert_eq!(confirm(&harness, &login, &own, "12345x").await.unwrap_err().fields[0].field, "code");
    let (secret, _) = guarded(&harness, &login, &own).await;
    let request = as_caller(&login, &own, SetupTwoFactorRequest {});
    let refused = failure(harness.auth().setup_two_factor(request).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::FailedPrecondition, "TWO_FACTOR_ALREADY_ON"));
    let code = next_code(&harness, &secret);
    assert_eq!(confirm(&harness, &login, &own, &code).await.unwrap_err().reason, "TWO_FACTOR_ALREADY_ON");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_confirms_at_once_hand_out_one_set_of_recovery_codes() {
    let harness = Harness::new().await;
    let (_, own, login) = harness.session().await;
    let secret = set_up(&harness, &login, &own).await.secret;
    let code = totp(&harness, &secret);
    let tries = (0..5).map(|_| confirm(&harness, &login, &own, &code));
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert_eq!(refused.reason, "TWO_FACTOR_ALREADY_ON");
    }
    let me = harness.replica.users().get_me(as_caller(&login, &own, GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!((me.two_factor_enabled, me.recovery_codes_left), (true, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uses_of_one_proof_at_once_open_one_session() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, codes) = guarded(&harness, &login, &own).await;
    for is_recovery in [true, false] {
        let proof = if is_recovery { codes[0].clone() } else { next_code(&harness, &secret) };
        // Each from a device and a challenge of its own: only the proof is shared.
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let phone = device();
            waiting.push((challenged(&harness, &person, &phone).await, phone));
        }
        let tries = waiting.iter().map(|(challenge, phone)| complete(&harness, challenge, phone, &proof));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.into_iter().filter_map(Result::err) {
            assert!(["TWO_FACTOR_CODE_WRONG", "TWO_FACTOR_THROTTLED"].contains(&refused.reason.as_str()));
        }
        harness.advance(Duration::from_secs(25 * 3_600));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uses_of_one_challenge_at_once_open_one_session() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (_, codes) = guarded(&harness, &login, &own).await;
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    let tries = codes[..5].iter().map(|code| complete(&harness, &challenge, &phone, code));
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert_eq!(refused.reason, "CHALLENGE_INVALID");
    }
    let me = harness.replica.users().get_me(as_caller(&login, &own, GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!(me.recovery_codes_left, 9, "a refused try uses no code up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_one_challenge_and_the_history_tells_each_step() {
    let harness = Harness::new().await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let phone = device();
    harness.advance(Duration::from_secs(1));
    let first = challenged(&harness, &person, &phone).await;
    harness.advance(Duration::from_secs(1));
    let second = challenged(&harness, &person, &phone).await;
    let code = next_code(&harness, &secret);
    assert_eq!(complete(&harness, &first, &phone, &code).await.unwrap_err().reason, "CHALLENGE_INVALID");
    complete(&harness, &second, &phone, &wrong_code(&harness, &secret)).await.unwrap_err();
    harness.advance(Duration::from_secs(1));
    complete(&harness, &second, &phone, &code).await.unwrap();
    let outcomes = crate::sessions::outcomes(&harness, &login, &own).await;
    let expected = [
        LoginOutcome::Ok,
        LoginOutcome::WrongCode,
        LoginOutcome::Challenged,
        LoginOutcome::Challenged,
        LoginOutcome::Ok,
    ];
    assert_eq!(outcomes, expected);
    assert!(!tokens(&login).access_token.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_sealed_where_keys_are() {
    let harness = Harness::with(&["--auth-key-secret=a secret of at least 32 characters"]).await;
    let (person, own, login) = harness.session().await;
    let (secret, _) = guarded(&harness, &login, &own).await;
    let stored = crate::keys::stored_totp(&harness.cluster).await;
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    assert!(stored.is_sealed && !stored.secret.windows(bytes.len()).any(|part| part == bytes));
    let phone = device();
    let challenge = challenged(&harness, &person, &phone).await;
    complete(&harness, &challenge, &phone, &next_code(&harness, &secret)).await.unwrap();
}
