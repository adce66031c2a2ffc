//! A push service and the browsers that it serves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_contract::push::v1::RegisterWebPushRequest;
use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_rpc::Caller;
use godwit_testkit::unique;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A notification as a push service receives it.
#[derive(Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// How a push service answers at a path.
#[derive(Clone)]
pub enum Manner {
    Status(u16),
    Busy { retry_after: String },
    Redirect { to: String },
    Hang,
}

/// Takes every notification, unless told otherwise for its path.
#[derive(Clone, Default)]
struct Desk {
    received: Arc<Mutex<Vec<Received>>>,
    manners: Arc<Mutex<HashMap<String, Manner>>>,
}

pub struct PushServer {
    pub url: String,
    desk: Desk,
    _serving: JoinSet<()>,
}

impl PushServer {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let desk = Desk::default();
        let router = Router::new().fallback(take).with_state(desk.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _serving: serving }
    }

    pub fn at(&self, browser: &Browser) -> Vec<Received> {
        let received = self.desk.received.lock().unwrap();
        received.iter().filter(|received| received.path == browser.path).cloned().collect()
    }

    pub fn behave(&self, browser: &Browser, manner: Manner) {
        self.desk.manners.lock().unwrap().insert(browser.path.clone(), manner);
    }
}

async fn take(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    desk.received.lock().unwrap().push(Received { path: path.clone(), headers, body });
    let manner = desk.manners.lock().unwrap().get(&path).cloned();
    match manner.unwrap_or(Manner::Status(201)) {
        Manner::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Manner::Busy { retry_after } => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", retry_after)]).into_response(),
        Manner::Redirect { to } => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Manner::Hang => std::future::pending().await,
    }
}

/// A browser of a logged-in user, which has asked its push service for a subscription.
pub struct Browser {
    pub caller: Caller,
    pub path: String,
    keys: ece::EcKeyComponents,
    p256dh: Vec<u8>,
    auth: [u8; 16],
}

impl Browser {
    pub fn of(user_id: UserId) -> Self {
        let (pair, auth) = ece::generate_keypair_and_auth_secret().unwrap();
        let caller = Caller {
            user_id,
            session_id: SessionId::generate(&SystemClock, &SystemEntropy),
            device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
        };
        Self {
            caller,
            path: format!("/{}", unique("browser")),
            keys: pair.raw_components().unwrap(),
            p256dh: pair.pub_as_raw().unwrap(),
            auth,
        }
    }

    pub fn subscription(&self, server: &PushServer) -> RegisterWebPushRequest {
        RegisterWebPushRequest {
            endpoint: format!("{}{}", server.url, self.path),
            p256dh: URL_SAFE_NO_PAD.encode(&self.p256dh),
            auth: URL_SAFE_NO_PAD.encode(self.auth),
        }
    }

    /// The same by `http_ece`, which shares no code with what encrypts or with [`Self::decrypt`].
    pub fn decrypt_independently(&self, received: &Received) -> serde_json::Value {
        let input = serde_json::json!({
            "private_key": URL_SAFE_NO_PAD.encode(self.keys.private_key()),
            "auth": URL_SAFE_NO_PAD.encode(self.auth),
            "body": URL_SAFE_NO_PAD.encode(&received.body),
        });
        let output = std::process::Command::new(godwit_testkit::env::python())
            .args(["-c", include_str!("decrypt.py"), &input.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the browser's service worker is given.
    pub fn decrypt(&self, received: &Received) -> serde_json::Value {
        let plain = ece::decrypt(&self.keys, &self.auth, &received.body).unwrap();
        serde_json::from_slice(&plain).unwrap()
    }
}
