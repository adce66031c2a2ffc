use diesel::QueryableByName;
use diesel::sql_types::{Bool, Bytea};
use diesel_async::RunQueryDsl as _;
use godwit_auth::SCHEMA;
use godwit_contract::auth::v1::{ListKeysRequest, RefreshRequest, TokenKey};
use pasetors::Public;
use pasetors::claims::Claims;
use pasetors::footer::Footer;
use pasetors::keys::AsymmetricPublicKey;
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};

use crate::harness::{Cluster, Harness, Replica, tokens};

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
struct Stored {
    #[diesel(sql_type = Bytea)]
    secret: Vec<u8>,
    #[diesel(sql_type = Bool)]
    is_sealed: bool,
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
    ] {
        let error = format!("{:#}", cluster.start(&options).await.err().unwrap());
        assert!(error.contains(variable), "{error}");
    }
}
