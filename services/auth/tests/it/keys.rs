use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Bytea};
use diesel_async::RunQueryDsl as _;
use godwit_auth::SCHEMA;
use godwit_contract::auth::v1::{ListKeysRequest, RefreshRequest, TokenKey, Tokens};
use godwit_kernel::{Clock as _, SystemClock};
use godwit_testkit::{env, eventually};
use pasetors::Public;
use pasetors::claims::Claims;
use pasetors::footer::Footer;
use pasetors::keys::AsymmetricPublicKey;
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};

use crate::harness::{Cluster, Harness, PASSWORD, Replica, tokens};

const SECRET: &str = "--auth-key-secret=a secret of at least 32 characters";

async fn keys(replica: &Replica) -> Vec<TokenKey> {
    replica.auth().list_keys(ListKeysRequest {}).await.unwrap().into_inner().keys
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_verifies_by_the_listed_key_and_says_who() {
    let harness = Harness::new().await;
    let (_, device, login) = harness.session().await;
    let key = keys(&harness.replica).await.remove(0);
    let untrusted = UntrustedToken::<Public, V4>::try_from(tokens(&login).access_token.as_str()).unwrap();
    let mut footer = Footer::new();
    footer.parse_bytes(untrusted.untrusted_footer()).unwrap();
    assert_eq!(footer.get_claim("kid").unwrap(), key.id.as_str());
    let public = AsymmetricPublicKey::<V4>::try_from(key.paserk.as_str()).unwrap();
    let trusted = PublicToken::verify(&public, &untrusted, None, None).unwrap();
    let claims = Claims::from_string(trusted.payload()).unwrap();
    let claim = |name: &str| claims.get_claim(name).unwrap().as_str().unwrap().to_owned();
    assert_eq!(claim("sub"), login.user.as_ref().unwrap().id);
    assert_eq!(claim("sid"), tokens(&login).session_id);
    assert_eq!(claim("did"), device.id);
    assert_eq!((claim("iss"), claim("aud")), ("godwit".to_owned(), "godwit".to_owned()));
    assert_eq!((claim("iat"), claim("nbf")), ("2026-06-01T12:00:00Z".to_owned(), "2026-06-01T12:00:00Z".to_owned()));
    assert_eq!(claim("exp"), "2026-06-01T12:15:00Z");
    let expires_at = tokens(&login).access_token_expires_at.unwrap();
    assert_eq!(expires_at.seconds - godwit_rpc::timestamp(harness.replica.platform.clock.now()).seconds, 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_share_one_key() {
    let cluster = Cluster::new().await;
    let dir = tempfile::tempdir().unwrap();
    let mail = format!("--auth-mail-dir={}", dir.path().display());
    let options = [mail.as_str()];
    let starts = futures_util::future::join_all((0..3).map(|_| cluster.start(&options))).await;
    let replicas: Vec<Replica> = starts.into_iter().map(Result::unwrap).collect();
    let first = keys(&replicas[0]).await;
    assert_eq!(first.len(), 1);
    for replica in &replicas {
        assert_eq!(keys(replica).await, first);
    }
}

#[derive(QueryableByName)]
pub struct Stored {
    #[diesel(sql_type = Bytea)]
    pub secret: Vec<u8>,
    #[diesel(sql_type = Bool)]
    pub is_sealed: bool,
}

async fn stored(cluster: &Cluster) -> Vec<Stored> {
    let query = "SELECT secret, is_sealed FROM token_keys UNION ALL SELECT secret, is_sealed FROM secrets";
    let pool = cluster.db.pool(&SCHEMA);
    diesel::sql_query(query).load(&mut pool.get().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_sealed_by_a_secret_that_is_set_later_and_need_it_from_then_on() {
    let harness = Harness::new().await;
    let (_, _, login) = harness.session().await;
    let cluster = harness.cluster;
    let open = keys(&harness.replica).await;
    let before = stored(&cluster).await;
    assert!(before.iter().all(|secret| !secret.is_sealed));
    harness.replica.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let mail = format!("--auth-mail-dir={}", dir.path().display());
    let sealed = cluster.start(&[&mail, SECRET]).await.unwrap();
    assert_eq!(keys(&sealed).await, open);
    let after = stored(&cluster).await;
    assert!(after.iter().all(|secret| secret.is_sealed));
    for secret in &before {
        assert!(!after.iter().any(|sealed| sealed.secret.windows(16).any(|part| part == &secret.secret[..16])));
    }
    // What the pepper keys still holds.
    let request = RefreshRequest { refresh_token: tokens(&login).refresh_token.clone() };
    sealed.auth().refresh(request).await.unwrap();
    sealed.stop().await;

    for wrong in [vec![mail.as_str()], vec![&mail, "--auth-key-secret=another secret of at least 32 characters"]] {
        let error = format!("{:#}", cluster.start(&wrong).await.err().unwrap());
        assert!(error.contains("GODWIT_AUTH_KEY_SECRET"), "{error}");
    }
}

/// The one authenticator secret of the cluster.
pub async fn stored_totp(cluster: &Cluster) -> Stored {
    let pool = cluster.db.pool(&SCHEMA);
    let mut conn = pool.get().await.unwrap();
    diesel::sql_query("SELECT secret, is_sealed FROM totp_secrets").get_result(&mut conn).await.unwrap()
}

/// The id of the key that signed a token.
fn key_id(tokens: &Tokens) -> String {
    let untrusted = UntrustedToken::<Public, V4>::try_from(tokens.access_token.as_str()).unwrap();
    let mut footer = Footer::new();
    footer.parse_bytes(untrusted.untrusted_footer()).unwrap();
    footer.get_claim("kid").unwrap().as_str().unwrap().to_owned()
}

/// Waits until the replica lists so many keys, and returns their ids.
async fn listed(replica: &Replica, count: usize) -> Vec<String> {
    eventually(Duration::from_secs(20), || async {
        let ids: Vec<String> = keys(replica).await.into_iter().map(|key| key.id).collect();
        if ids.len() == count { Ok(ids) } else { Err(ids) }
    })
    .await
}

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_listed_before_it_signs_and_until_its_last_token_is_over() {
    let harness = Harness::with(&["--auth-key-rotation-days=7"]).await;
    let smtp = format!("--auth-smtp-url=smtp://{}", env::smtp());
    let second = harness.cluster.start(&[&smtp, "--auth-key-rotation-days=7"]).await.unwrap();
    let (person, own, login) = harness.session().await;
    let old = listed(&harness.replica, 1).await.remove(0);
    assert_eq!(key_id(tokens(&login)), old);
    let sign = async || key_id(tokens(&harness.login(&person.email, PASSWORD, &own).await.unwrap()));

    harness.advance(DAY * 7);
    // Replicas take turns: both list one new key, the same.
    let both = listed(&harness.replica, 2).await;
    assert_eq!(listed(&second, 2).await, both);
    assert_eq!(both[0], old, "the key that signs comes first");
    let new = both[1].clone();
    assert_eq!(sign().await, old, "verifiers may not know the new one yet");
    harness.advance(MINUTE * 10);
    assert_eq!(sign().await, new);
    assert_eq!(listed(&harness.replica, 2).await, [new.clone(), old.clone()]);
    // The last token of the old key was signed a moment before.
    harness.advance(MINUTE * 16);
    assert_eq!(listed(&second, 2).await.len(), 2);
    harness.advance(MINUTE * 5);
    assert_eq!(listed(&harness.replica, 1).await, [new.as_str()]);
    assert_eq!(listed(&second, 1).await, [new.as_str()]);
    assert_eq!(sign().await, new);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_implementation_verifies_an_access_token() {
    let harness = Harness::new().await;
    // The other implementation reads the clock of the machine.
    harness.cluster.clock.set(SystemClock.now());
    let (_, own, login) = harness.session().await;
    let signed_by = key_id(tokens(&login));
    let key = keys(&harness.replica).await.into_iter().find(|key| key.id == signed_by).unwrap();
    let script = "import json, sys, pyseto\n\
                  key = pyseto.Key.from_paserk(sys.argv[1])\n\
                  token = pyseto.decode(key, sys.argv[2], deserializer=json, aud='godwit')\n\
                  assert key.to_paserk_id() == sys.argv[3] == token.footer['kid'], 'the key id'\n\
                  print(json.dumps(token.payload))\n";
    let run = async |token: &str| {
        let arguments = ["-c", script, &key.paserk, token, &key.id];
        tokio::process::Command::new(env::python()).args(arguments).output().await.unwrap()
    };
    let token = &tokens(&login).access_token;
    let output = run(token).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let claims: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(claims["sub"], login.user.as_ref().unwrap().id.as_str());
    assert_eq!(claims["sid"], tokens(&login).session_id.as_str());
    assert_eq!(claims["did"], own.id.as_str());
    assert_eq!((&claims["iss"], &claims["aud"]), (&"godwit".into(), &"godwit".into()));

    // And it refuses one that was changed.
    let mut changed = token.clone().into_bytes();
    let at = "v4.public.".len() + 30;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let output = run(&String::from_utf8(changed).unwrap()).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("VerifyError"), "for its signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_cannot_work_are_refused_by_name() {
    let cluster = Cluster::new().await;
    for (options, variable) in [
        (vec![], "GODWIT_AUTH_SMTP_URL"),
        (vec!["--auth-smtp-url=smtp://localhost", "--auth-mail-dir=/tmp/x"], "GODWIT_AUTH_MAIL_DIR"),
        (vec!["--auth-smtp-url=http://localhost"], "GODWIT_AUTH_SMTP_URL"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-mail-from=nobody"], "GODWIT_AUTH_MAIL_FROM"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-key-secret=short"], "GODWIT_AUTH_KEY_SECRET"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-code-ttl-secs=1"], "GODWIT_AUTH_CODE_TTL_SECS"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-key-rotation-days=0"], "GODWIT_AUTH_KEY_ROTATION_DAYS"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-reset-url=chat.example"], "GODWIT_AUTH_RESET_URL"),
        (vec!["--auth-mail-dir=/tmp/x", "--auth-reset-url=https://chat.example/\"><"], "GODWIT_AUTH_RESET_URL"),
    ] {
        let error = format!("{:#}", cluster.start(&options).await.err().unwrap());
        assert!(error.contains(variable), "{error}");
    }
}
