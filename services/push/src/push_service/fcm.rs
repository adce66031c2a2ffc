use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use url::Url;

use super::jwt::SigningKey;
use super::provider_client::{Answer, ProviderClient, ask};
use super::{Parcel, PushService, kind_of, retry_after};
use crate::domain::{Letter, Scope, Verdict};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The longest life that Google gives an assertion.
const ASSERTION_TTL: time::Duration = time::Duration::hours(1);
/// A token is renewed this long before its end, so that none ends on its way.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(5);
/// When Google does not say: its documentation asks for a minute at least.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);

/// What the JSON file of a service account says.
#[derive(Deserialize)]
pub struct ServiceAccount {
    project_id: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    #[serde(deserialize_with = "read_url")]
    token_uri: Url,
}

impl ServiceAccount {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is none. Nothing of it is in the error.
    pub fn parse(json: &str) -> anyhow::Result<Self> {
        let account: Self = serde_json::from_str(json).map_err(|_| anyhow::anyhow!("not a service account in JSON"))?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.');
        anyhow::ensure!(account.project_id.bytes().all(is_name), "the service account names no project");
        anyhow::ensure!(account.token_uri.scheme() == "https", "the service account's token_uri is not https");
        Ok(account)
    }
}

fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// This deployment's account with Google.
pub struct FcmOptions {
    /// The service account.
    pub account: ServiceAccount,
    /// Where access tokens are given, if it is not where the account says.
    pub token_url: Option<Url>,
}

/// Firebase Cloud Messaging, HTTP v1.
pub struct Fcm {
    client: ProviderClient,
    key: SigningKey,
    account: ServiceAccount,
    token_url: Url,
    /// Held while one is asked for, so that it is asked for once.
    token: Mutex<Option<AccessToken>>,
}

#[derive(Clone, PartialEq)]
struct AccessToken {
    text: String,
    ends_at: OffsetDateTime,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u32,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Fault,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default, rename = "errorCode")]
    error_code: String,
}

impl Fcm {
    /// With an account.
    ///
    /// # Errors
    /// When its key is none, or the address is not https.
    pub fn new(client: ProviderClient, options: FcmOptions) -> anyhow::Result<Self> {
        let FcmOptions { account, token_url } = options;
        let key = SigningKey::rsa(&account.private_key).context("the service account's private_key")?;
        let token_url = token_url.unwrap_or_else(|| account.token_uri.clone());
        Ok(Self { client, key, account, token_url, token: Mutex::new(None) })
    }

    /// An access token, until shortly before its end the same.
    async fn token(&self, now: OffsetDateTime) -> Result<AccessToken, Verdict> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| now + TOKEN_MARGIN < token.ends_at) {
            return Ok(token.clone());
        }
        let token = self.ask_for_token(now).await?;
        Ok(kept.insert(token).clone())
    }

    /// RFC 7523, section 2.1.
    async fn ask_for_token(&self, now: OffsetDateTime) -> Result<AccessToken, Verdict> {
        let assertion = Assertion {
            iss: &self.account.client_email,
            scope: SCOPE,
            aud: self.account.token_uri.as_str(),
            iat: now.unix_timestamp(),
            exp: (now + ASSERTION_TTL).unix_timestamp(),
        };
        let assertion = self
            .key
            .token(&self.account.private_key_id, &assertion)
            .map_err(|_| Verdict::later(Scope::Provider, "no assertion can be signed"))?;
        // Neither needs to be escaped: the assertion is base64url and dots.
        let body = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let request =
            self.client.post_to(&self.token_url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = ask(request).await.map_err(|error| Verdict::later(Scope::Provider, kind_of(&error)))?;
        let given = match answer.status {
            200 => serde_json::from_slice::<TokenAnswer>(&answer.body).ok(),
            _ => None,
        };
        let Some(given) = given else {
            if (400..500).contains(&answer.status) && answer.status != 429 {
                tracing::error!(
                    status = answer.status,
                    "Google gives this deployment's service account no access token"
                );
            }
            let retry_after = retry_after(&answer.headers, now);
            let cause = format!("no access token: status {}", answer.status);
            return Err(Verdict::Later { scope: Scope::Provider, retry_after, cause });
        };
        Ok(AccessToken { text: given.access_token, ends_at: now + time::Duration::seconds(given.expires_in.into()) })
    }

    async fn forget(&self, token: &AccessToken) {
        let mut kept = self.token.lock().await;
        if kept.as_ref() == Some(token) {
            *kept = None;
        }
    }

    async fn attempt(&self, parcel: &Parcel<'_>, token: &AccessToken) -> Result<Answer, reqwest::Error> {
        let request = self
            .client
            .post(&format!("/v1/projects/{}/messages:send", self.account.project_id))
            .bearer_auth(&token.text)
            .header("content-type", "application/json")
            .body(message(parcel).to_string());
        ask(request).await
    }
}

#[async_trait]
impl PushService for Fcm {
    async fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        // Twice when the token is over: the second time with another one.
        for _ in 0..2 {
            let token = match self.token(parcel.now).await {
                Ok(token) => token,
                Err(verdict) => return verdict,
            };
            let answer = match self.attempt(parcel, &token).await {
                Ok(answer) => answer,
                // The error's text would name the address.
                Err(error) => return Verdict::later(Scope::Provider, kind_of(&error)),
            };
            if answer.status == 401 {
                self.forget(&token).await;
                continue;
            }
            return verdict(&answer, parcel.now);
        }
        tracing::error!("Google does not take the access tokens that it gives");
        Verdict::later(Scope::Provider, "status 401")
    }
}

/// What the statuses and error codes of Google mean (`google.firebase.fcm.v1.FcmError`).
fn verdict(answer: &Answer, now: OffsetDateTime) -> Verdict {
    if answer.status == 200 {
        let given: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        return Verdict::Accepted { id: given.get("name").and_then(Value::as_str).map(str::to_owned) };
    }
    let fault = serde_json::from_slice::<Refusal>(&answer.body).unwrap_or_default().error;
    let code = fault.details.iter().map(|detail| detail.error_code.as_str()).find(|code| !code.is_empty());
    let code = code.unwrap_or(&fault.status);
    let retry_after = retry_after(&answer.headers, now);
    let cause = format!("status {} {code}", answer.status);
    match (answer.status, code) {
        // The address is over, or was given for another project than this one's.
        (404, "UNREGISTERED") | (403, "SENDER_ID_MISMATCH") => Verdict::Gone { since: None },
        (429, _) => {
            Verdict::Later { scope: Scope::Provider, retry_after: Some(retry_after.unwrap_or(QUOTA_PAUSE)), cause }
        }
        // The account is refused, or its project is not known, not the notification: a person must act.
        (403 | 404, _) => {
            tracing::error!(code, "Google refuses this deployment's service account");
            Verdict::Later { scope: Scope::Provider, retry_after, cause }
        }
        (500..=599, _) => Verdict::Later { scope: Scope::Provider, retry_after, cause },
        _ => Verdict::Refused(cause),
    }
}

/// A data message, which the app shows itself: only so can it offer actions, and let the newest of a chat take the place of
/// the older, which it knows by `collapse_id`. Google does the same while the device is away, but for four keys only, and
/// drops what has others: so there is a key only for a device that is told of few chats.
fn message(parcel: &Parcel<'_>) -> Value {
    let mut data = Map::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(parcel.letter) {
        for (name, value) in fields {
            // Values must be texts.
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            data.insert(name, text.into());
        }
    }
    data.insert("collapse_id".to_owned(), parcel.collapse_id.clone().into());
    if let Some(count) = parcel.unread_count {
        data.insert("unread_count".to_owned(), count.to_string().into());
    }
    let mut android = Map::from_iter([
        ("priority".to_owned(), if parcel.letter.is_urgent() { "HIGH" } else { "NORMAL" }.into()),
        ("ttl".to_owned(), format!("{}s", parcel.remaining().as_secs()).into()),
    ]);
    if parcel.is_of_few_chats && matches!(parcel.letter, Letter::MessageCreated(_)) {
        android.insert("collapse_key".to_owned(), parcel.collapse_id.clone().into());
    }
    json!({"message": {"token": parcel.address.text, "data": data, "android": android}})
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderMap;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_quota_that_is_used_up_is_waited_for_a_minute_when_google_does_not_say() {
        let answer = Answer { status: 429, headers: HeaderMap::new(), body: Bytes::new() };
        let Verdict::Later { scope, retry_after, .. } = verdict(&answer, datetime!(2026-06-01 12:00 UTC)) else {
            panic!("the notification may do later")
        };
        assert_eq!((scope, retry_after), (Scope::Provider, Some(QUOTA_PAUSE)));
    }
}
