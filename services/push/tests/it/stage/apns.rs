//! Apple: "Sending notification requests to APNs", "Establishing a token-based connection to APNs", "Handling notification
//! responses from APNs".

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use godwit_kernel::Clock;
use rcgen::KeyPair;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::tls::{Authority, Server};
use super::{Manner, Token, bearer};

pub const KEY_ID: &str = "ABC123DEFG";
pub const TEAM_ID: &str = "DEF123GHIJ";
pub const TOPIC: &str = "org.example.godwit";

/// A notification that was taken, or refused after it was found to be in order.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub token: String,
    pub push_type: String,
    pub priority: String,
    pub topic: String,
    pub collapse_id: String,
    pub id: String,
    pub expiration: i64,
    pub iat: i64,
    pub payload: Value,
}

pub struct Apns {
    pub server: Server,
    desk: Arc<Desk>,
    key: KeyPair,
}

struct Desk {
    clock: Arc<dyn Clock>,
    public_key: Vec<u8>,
    received: Mutex<Vec<Pushed>>,
    manners: Mutex<HashMap<String, Manner>>,
    /// Provider tokens made before are over.
    expired_before: Mutex<i64>,
    /// What breaks the contract.
    faults: Mutex<Vec<String>>,
}

impl Apns {
    pub async fn open(authority: &Authority, clock: Arc<dyn Clock>) -> Self {
        let key = KeyPair::generate().unwrap();
        let desk = Arc::new(Desk {
            clock,
            public_key: key.public_key_raw().to_vec(),
            received: Mutex::default(),
            manners: Mutex::default(),
            expired_before: Mutex::new(0),
            faults: Mutex::default(),
        });
        let router = Router::new().route("/3/device/{token}", post(take)).with_state(Arc::clone(&desk));
        Self { server: Server::open(authority, router).await, desk, key }
    }

    /// The variables that name this account.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("GODWIT_PUSH_APNS_URL", self.server.url()),
            ("GODWIT_PUSH_APNS_KEY", self.key.serialize_pem()),
            ("GODWIT_PUSH_APNS_KEY_ID", KEY_ID.to_owned()),
            ("GODWIT_PUSH_APNS_TEAM_ID", TEAM_ID.to_owned()),
            ("GODWIT_PUSH_APNS_TOPIC", TOPIC.to_owned()),
        ]
    }

    /// The same as options.
    pub fn options(&self) -> Vec<String> {
        let option = |name: &str| name.trim_start_matches("GODWIT_").to_lowercase().replace('_', "-");
        self.variables().iter().map(|(name, value)| format!("--{}={value}", option(name))).collect()
    }

    pub fn behave(&self, token: &str, manner: Option<Manner>) {
        let mut manners = self.desk.manners.lock().unwrap();
        match manner {
            Some(manner) => manners.insert(token.to_owned(), manner),
            None => manners.remove(token),
        };
    }

    /// All that came for a token, in order; nothing may have broken the contract.
    pub fn at(&self, token: &str) -> Vec<Pushed> {
        assert_eq!(*self.desk.faults.lock().unwrap(), Vec::<String>::new());
        self.desk.received.lock().unwrap().iter().filter(|pushed| pushed.token == token).cloned().collect()
    }

    pub fn all(&self) -> Vec<Pushed> {
        assert_eq!(*self.desk.faults.lock().unwrap(), Vec::<String>::new());
        self.desk.received.lock().unwrap().clone()
    }

    /// Takes no provider token any more that was made until now.
    pub fn expire_tokens(&self) {
        *self.desk.expired_before.lock().unwrap() = self.desk.clock.now().unix_timestamp() + 1;
    }
}

fn refusal(status: u16, reason: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({"reason": reason}))).into_response()
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Path(token): Path<String>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pushed = match desk.inspect(&token, version, &headers, &body) {
        Ok(pushed) => pushed,
        Err((status, reason)) => {
            if reason != "ExpiredProviderToken" {
                desk.faults.lock().unwrap().push(format!("{status} {reason}: {headers:?}"));
            }
            return refusal(status, reason);
        }
    };
    let id = pushed.id.clone();
    desk.received.lock().unwrap().push(pushed);
    let manner = desk.manners.lock().unwrap().get(&token).cloned();
    match manner {
        Some(manner) => manner.answer().await,
        None => (StatusCode::OK, [("apns-id", id)]).into_response(),
    }
}

impl Desk {
    fn inspect(
        &self,
        token: &str,
        version: Version,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Pushed, (u16, &'static str)> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if version != Version::HTTP_2 {
            return Err((505, "HttpVersion"));
        }
        let iat = self.check_provider_token(bearer(headers).ok_or((403, "MissingProviderToken"))?)?;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err((400, "BadDeviceToken"));
        }
        let (push_type, priority, topic) = (header("apns-push-type"), header("apns-priority"), header("apns-topic"));
        let payload: Value = serde_json::from_slice(body).map_err(|_| (400, "PayloadEmpty"))?;
        let aps = payload["aps"].as_object().ok_or((400, "PayloadEmpty"))?;
        let bytes_max = if push_type == "voip" { 5_120 } else { 4_096 };
        match push_type {
            _ if body.len() > bytes_max => return Err((413, "PayloadTooLarge")),
            "alert" if topic != TOPIC => return Err((400, "TopicDisallowed")),
            "alert" if !["alert", "badge", "sound"].iter().any(|key| aps.contains_key(*key)) => {
                return Err((400, "InvalidPushType"));
            }
            "alert" => {}
            "voip" if topic != format!("{TOPIC}.voip") => return Err((400, "TopicDisallowed")),
            "voip" => {}
            "background" if topic != TOPIC => return Err((400, "TopicDisallowed")),
            "background" if priority != "5" || aps.get("content-available") != Some(&json!(1)) || aps.len() != 1 => {
                return Err((400, "InvalidPushType"));
            }
            "background" => {}
            _ => return Err((400, "InvalidPushType")),
        }
        if !["10", "5", "1"].contains(&priority) {
            return Err((400, "BadPriority"));
        }
        let (collapse_id, id) = (header("apns-collapse-id"), header("apns-id"));
        if collapse_id.len() > 64 {
            return Err((400, "BadCollapseId"));
        }
        if uuid::Uuid::parse_str(id).is_err() || id.len() != 36 {
            return Err((400, "BadMessageId"));
        }
        let expiration = header("apns-expiration").parse().map_err(|_| (400, "BadExpirationDate"))?;
        Ok(Pushed {
            token: token.to_owned(),
            push_type: push_type.to_owned(),
            priority: priority.to_owned(),
            topic: topic.to_owned(),
            collapse_id: collapse_id.to_owned(),
            id: id.to_owned(),
            expiration,
            iat,
            payload,
        })
    }

    /// Returns when it was made.
    fn check_provider_token(&self, text: &str) -> Result<i64, (u16, &'static str)> {
        const INVALID: (u16, &str) = (403, "InvalidProviderToken");
        let token = Token::read(text).ok_or(INVALID)?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public_key);
        key.verify(token.signed.as_bytes(), &token.signature).map_err(|_| INVALID)?;
        if token.header["alg"] != "ES256" || token.header["kid"] != KEY_ID || token.claims["iss"] != TEAM_ID {
            return Err(INVALID);
        }
        let iat = token.claims["iat"].as_i64().ok_or(INVALID)?;
        let age = self.clock.now().unix_timestamp() - iat;
        if age > 3_600 || iat < *self.expired_before.lock().unwrap() {
            return Err((403, "ExpiredProviderToken"));
        }
        Ok(iat)
    }
}
