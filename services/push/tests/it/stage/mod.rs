//! Apple's and Google's push services, as HTTP/2 servers that hold their contract.

pub mod apns;
pub mod fcm;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Semaphore;

/// How a push service answers for a token, instead of taking what comes.
#[derive(Clone, Debug)]
pub enum Manner {
    Refuse {
        status: u16,
        body: Value,
        retry_after: Option<&'static str>,
    },
    /// Says that all is well, in no language that is known.
    Garbage,
    Hang,
    /// Takes what comes, but says so only when it is allowed to.
    Hold(Arc<Semaphore>),
}

impl Manner {
    pub fn refuse(status: u16, body: Value) -> Self {
        Self::Refuse { status, body, retry_after: None }
    }

    async fn answer(&self) -> Response {
        match self {
            Self::Refuse { status, body, retry_after } => {
                let mut answer = (StatusCode::from_u16(*status).unwrap(), Json(body.clone())).into_response();
                if let Some(pause) = retry_after {
                    answer.headers_mut().insert("retry-after", pause.parse().unwrap());
                }
                answer
            }
            Self::Garbage => (StatusCode::OK, "<html>Welcome</html>").into_response(),
            Self::Hold(permission) => {
                permission.acquire().await.unwrap().forget();
                StatusCode::OK.into_response()
            }
            Self::Hang => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                StatusCode::OK.into_response()
            }
        }
    }
}

/// The header and the claims of a token, and what its signature is of.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    pub signed: String,
    pub signature: Vec<u8>,
}

impl Token {
    pub fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("bearer ").or_else(|| value.strip_prefix("Bearer "))
}
