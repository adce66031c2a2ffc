//! Google: the HTTP v1 API of Firebase Cloud Messaging, and OAuth 2.0 for service accounts (RFC 7523).

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use godwit_kernel::Clock;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::tls::{Authority, Server};
use super::{Manner, Token, bearer};

const PROJECT: &str = "godwit-test";
const EMAIL: &str = "push@godwit-test.iam.gserviceaccount.com";
const KEY_ID: &str = "0123456789abcdef";
const TOKEN_SECS: i64 = 3_600;

/// A key costs a second: all tests share one.
static KEY_PEM: LazyLock<String> = LazyLock::new(|| {
    let mut command = Command::new("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
});

/// A message that was taken, or refused after it was found to be in order.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub token: String,
    pub data: Value,
    pub android: Value,
}

pub struct Fcm {
    pub server: Server,
    desk: Arc<Desk>,
}

struct Desk {
    clock: Arc<dyn Clock>,
    public_key: Vec<u8>,
    /// The address that assertions are for.
    audience: Mutex<String>,
    /// Access tokens, and when they end.
    tokens: Mutex<HashMap<String, i64>>,
    received: Mutex<Vec<Pushed>>,
    manners: Mutex<HashMap<String, Manner>>,
    /// Where access tokens are given.
    token_manner: Mutex<Option<Manner>>,
    /// How often one was asked for.
    asked: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Fcm {
    pub async fn open(authority: &Authority, clock: Arc<dyn Clock>) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(KEY_PEM.as_bytes()).unwrap();
        let public_key = KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap().public_key().as_ref().to_vec();
        let desk = Arc::new(Desk {
            clock,
            public_key,
            audience: Mutex::default(),
            tokens: Mutex::default(),
            received: Mutex::default(),
            manners: Mutex::default(),
            token_manner: Mutex::default(),
            asked: AtomicUsize::default(),
            faults: Mutex::default(),
        });
        let router = Router::new()
            .route("/token", post(give_token))
            .route("/v1/projects/{project}/{method}", post(take))
            .with_state(Arc::clone(&desk));
        let server = Server::open(authority, router).await;
        *desk.audience.lock().unwrap() = format!("{}/token", server.url());
        Self { server, desk }
    }

    /// The options that name this account.
    pub fn options(&self) -> Vec<String> {
        let account = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": KEY_PEM.as_str(),
            "client_email": EMAIL,
            "token_uri": format!("{}/token", self.server.url()),
        });
        vec![format!("--push-fcm-url={}", self.server.url()), format!("--push-fcm-service-account={account}")]
    }

    pub fn behave(&self, token: &str, manner: Option<Manner>) {
        let mut manners = self.desk.manners.lock().unwrap();
        match manner {
            Some(manner) => manners.insert(token.to_owned(), manner),
            None => manners.remove(token),
        };
    }

    /// How access tokens are given, or not.
    pub fn behave_with_tokens(&self, manner: Option<Manner>) {
        *self.desk.token_manner.lock().unwrap() = manner;
    }

    /// How often an access token was asked for.
    pub fn asked_for_tokens(&self) -> usize {
        self.desk.asked.load(Ordering::SeqCst)
    }

    /// All that came for a token, in order; nothing may have broken the contract.
    pub fn at(&self, token: &str) -> Vec<Pushed> {
        assert_eq!(*self.desk.faults.lock().unwrap(), Vec::<String>::new());
        self.desk.received.lock().unwrap().iter().filter(|pushed| pushed.token == token).cloned().collect()
    }

    /// How many access tokens were given.
    pub fn token_count(&self) -> usize {
        self.desk.tokens.lock().unwrap().len()
    }

    /// Takes no access token any more that was given until now.
    pub fn revoke_tokens(&self) {
        self.desk.tokens.lock().unwrap().values_mut().for_each(|ends_at| *ends_at = 0);
    }
}

/// As Google writes errors.
pub fn error(code: u16, status: &str, error_code: &str) -> Value {
    let details = json!([{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": error_code}]);
    json!({"error": {"code": code, "message": "no", "status": status, "details": details}})
}

async fn give_token(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: String) -> Response {
    let (checked, manner) = (desk.check_assertion(&headers, &body), desk.token_manner.lock().unwrap().clone());
    desk.asked.fetch_add(1, Ordering::SeqCst);
    if let (Ok(()), Some(manner)) = (&checked, manner) {
        return manner.answer().await;
    }
    match checked {
        Ok(()) => {
            let mut tokens = desk.tokens.lock().unwrap();
            let token = format!("access-{}", tokens.len());
            tokens.insert(token.clone(), desk.clock.now().unix_timestamp() + TOKEN_SECS);
            Json(json!({"access_token": token, "expires_in": TOKEN_SECS, "token_type": "Bearer"})).into_response()
        }
        Err(fault) => {
            desk.faults.lock().unwrap().push(format!("{fault}: {body}"));
            (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response()
        }
    }
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Path((project, method)): Path<(String, String)>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ends_at = bearer(&headers).and_then(|token| desk.tokens.lock().unwrap().get(token).copied());
    if ends_at.is_none_or(|ends_at| ends_at <= desk.clock.now().unix_timestamp()) {
        let body = json!({"error": {"code": 401, "status": "UNAUTHENTICATED"}});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let pushed = match inspect(&body) {
        Ok(pushed) if version == Version::HTTP_2 && project == PROJECT && method == "messages:send" => pushed,
        found => {
            desk.faults.lock().unwrap().push(format!("{project} {method} {version:?}: {found:?}"));
            return (StatusCode::BAD_REQUEST, Json(error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"))).into_response();
        }
    };
    let token = pushed.token.clone();
    let count = {
        let mut received = desk.received.lock().unwrap();
        received.push(pushed);
        received.len()
    };
    let manner = desk.manners.lock().unwrap().get(&token).cloned();
    match manner {
        Some(manner) => manner.answer().await,
        None => Json(json!({"name": format!("projects/{PROJECT}/messages/{count}")})).into_response(),
    }
}

fn inspect(body: &[u8]) -> Result<Pushed, &'static str> {
    if body.len() > 4_096 + 1_024 {
        return Err("the message is too big");
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| "no JSON")?;
    let message = body["message"].as_object().ok_or("no message")?;
    if message.keys().any(|key| !["token", "data", "android"].contains(&key.as_str())) {
        return Err("an unknown field");
    }
    let data = message.get("data").and_then(Value::as_object).ok_or("no data")?;
    if data.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum::<usize>() > 4_096 {
        return Err("the data is too big");
    }
    let is_reserved = |key: &String| key == "from" || key == "message_type" || key.starts_with("google");
    if data.keys().any(is_reserved) || !data.values().all(Value::is_string) {
        return Err("data that is not texts, or reserved");
    }
    let android = message.get("android").ok_or("no android")?;
    let ttl = android["ttl"].as_str().and_then(|ttl| ttl.strip_suffix('s')?.parse::<u32>().ok());
    if ttl.is_none_or(|ttl| ttl > 2_419_200)
        || !["HIGH", "NORMAL"].contains(&android["priority"].as_str().unwrap_or(""))
    {
        return Err("no ttl or priority");
    }
    let token = message.get("token").and_then(Value::as_str).ok_or("no token")?.to_owned();
    Ok(Pushed { token, data: Value::Object(data.clone()), android: android.clone() })
}

impl Desk {
    fn check_assertion(&self, headers: &HeaderMap, body: &str) -> Result<(), &'static str> {
        if headers.get("content-type").is_none_or(|value| value != "application/x-www-form-urlencoded") {
            return Err("not a form");
        }
        let fields: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        if fields.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err("another grant");
        }
        let assertion = fields.get("assertion").and_then(|text| Token::read(text)).ok_or("no assertion")?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        key.verify(assertion.signed.as_bytes(), &assertion.signature).map_err(|_| "a wrong signature")?;
        let claims = &assertion.claims;
        if assertion.header["alg"] != "RS256" || assertion.header["kid"] != KEY_ID || claims["iss"] != EMAIL {
            return Err("another signer");
        }
        if claims["scope"] != "https://www.googleapis.com/auth/firebase.messaging"
            || claims["aud"] != self.audience.lock().unwrap().as_str()
        {
            return Err("for something else");
        }
        let (Some(iat), Some(exp)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
            return Err("no times");
        };
        let now = self.clock.now().unix_timestamp();
        if (now - iat).abs() > 300 || exp <= now || exp - iat > 3_600 {
            return Err("wrong times");
        }
        Ok(())
    }
}
