use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::jwt::{KeyError, SigningKey};
use super::provider_client::{Answer, ProviderClient, ask};
use super::{Parcel, PushService, kind_of, retry_after};
use crate::domain::{Action, CallRinging, Letter, Notification, Purpose, Scope, Verdict};

/// Apple takes a token for an hour, and refuses accounts that make another within 20 minutes.
const TOKEN_RENEWED_AFTER: Duration = Duration::minutes(45);
const TOKEN_YOUNG: Duration = Duration::minutes(20);

/// This deployment's account with Apple.
pub struct ApnsOptions {
    /// The key of the team, PEM as in the `.p8` file.
    pub key_pem: String,
    /// Its id.
    pub key_id: String,
    /// The team's id.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
}

/// The Apple Push Notification service, with provider tokens.
pub struct Apns {
    client: ProviderClient,
    key: SigningKey,
    options: ApnsOptions,
    token: Mutex<Option<ProviderToken>>,
}

#[derive(Clone)]
struct ProviderToken {
    text: String,
    made_at: OffsetDateTime,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
    /// Of an address that is over: since when, in milliseconds.
    timestamp: Option<i64>,
}

impl Apns {
    /// With an account.
    ///
    /// # Errors
    /// When the key is none.
    pub fn new(client: ProviderClient, options: ApnsOptions) -> Result<Self, KeyError> {
        let key = SigningKey::ecdsa(&options.key_pem)?;
        Ok(Self { client, key, options, token: Mutex::new(None) })
    }

    /// The token of this hour.
    fn token(&self, now: OffsetDateTime) -> Result<ProviderToken, ring::error::Unspecified> {
        let mut kept = self.token.lock();
        if let Some(token) = kept.as_ref().filter(|token| now < token.made_at + TOKEN_RENEWED_AFTER) {
            return Ok(token.clone());
        }
        let claims = Claims { iss: &self.options.team_id, iat: now.unix_timestamp() };
        let token = ProviderToken { text: self.key.token(&self.options.key_id, &claims)?, made_at: now };
        Ok(kept.insert(token).clone())
    }

    /// Forgets a token that Apple does not take any more; whether another may be made already.
    fn forget(&self, token: &ProviderToken, now: OffsetDateTime) -> bool {
        let mut kept = self.token.lock();
        match kept.as_ref() {
            Some(current) if current.made_at != token.made_at => true,
            _ if now < token.made_at + TOKEN_YOUNG => false,
            _ => {
                *kept = None;
                true
            }
        }
    }

    async fn attempt(&self, parcel: &Parcel<'_>, token: &ProviderToken) -> Result<Answer, reqwest::Error> {
        let form = Form::of(parcel);
        let topic = match parcel.address.purpose {
            Purpose::Alert => self.options.topic.clone(),
            Purpose::Voip => format!("{}.voip", self.options.topic),
        };
        let request = self
            .client
            .post(&format!("/3/device/{}", parcel.address.text))
            .header("authorization", format!("bearer {}", token.text))
            .header("apns-topic", topic)
            .header("apns-push-type", form.push_type)
            .header("apns-priority", form.priority)
            .header("apns-expiration", parcel.expires_at.unix_timestamp())
            .header("apns-collapse-id", &parcel.collapse_id)
            .header("apns-id", parcel.id.to_string())
            .body(form.payload.to_string());
        ask(request).await
    }
}

#[async_trait]
impl PushService for Apns {
    async fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        // Twice when the token is over: the second time with another one.
        for _ in 0..2 {
            let Ok(token) = self.token(parcel.now) else {
                return Verdict::later(Scope::Provider, "no provider token can be signed");
            };
            let answer = match self.attempt(parcel, &token).await {
                Ok(answer) => answer,
                // The error's text would name the address.
                Err(error) => return Verdict::later(Scope::Provider, kind_of(&error)),
            };
            let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            if answer.status == 403 && refusal.reason == "ExpiredProviderToken" && self.forget(&token, parcel.now) {
                continue;
            }
            return verdict(&answer, refusal, parcel.now);
        }
        Verdict::later(Scope::Provider, "ExpiredProviderToken")
    }
}

/// What the statuses and reasons of Apple mean ("Handling notification responses from APNs").
fn verdict(answer: &Answer, refusal: Refusal, now: OffsetDateTime) -> Verdict {
    let retry_after = retry_after(&answer.headers, now);
    let cause = format!("status {} {}", answer.status, refusal.reason);
    match (answer.status, refusal.reason.as_str()) {
        (200, _) => {
            let id = answer.headers.get("apns-id").and_then(|id| id.to_str().ok());
            Verdict::Accepted { id: id.map(str::to_owned) }
        }
        (410, _) => {
            let nanos = refusal.timestamp.map(|millis| i128::from(millis) * 1_000_000);
            Verdict::Gone { since: nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()) }
        }
        (400, "BadDeviceToken" | "DeviceTokenNotForTopic") => Verdict::Gone { since: None },
        (429, "TooManyRequests") => Verdict::Later { scope: Scope::Device, retry_after, cause },
        // The account is refused, not the notification: a person must act.
        (403, _) => {
            tracing::error!(reason = refusal.reason, "Apple refuses this deployment's provider token");
            Verdict::Later { scope: Scope::Provider, retry_after, cause }
        }
        (429 | 500..=599, _) => Verdict::Later { scope: Scope::Provider, retry_after, cause },
        _ => Verdict::Refused(cause),
    }
}

/// How a letter is written to Apple.
struct Form {
    push_type: &'static str,
    priority: &'static str,
    payload: Value,
}

impl Form {
    fn of(parcel: &Parcel<'_>) -> Self {
        let data = serde_json::to_value(parcel.letter).unwrap_or_default();
        let (push_type, priority, aps) = match parcel.letter {
            Letter::MessageCreated(message) => {
                ("alert", if message.is_silent { "5" } else { "10" }, alert(message, parcel.unread_count))
            }
            // A background notification may hold no badge; an alert with nothing else than one shows nothing.
            Letter::ChatRead(_) | Letter::MessagesDeleted(_) => match parcel.unread_count {
                Some(count) => ("alert", "5", json!({"badge": count, "content-available": 1})),
                None => ("background", "5", json!({"content-available": 1})),
            },
            Letter::CallRinging(call) => match parcel.address.purpose {
                Purpose::Voip => ("voip", "10", json!({})),
                Purpose::Alert => ("alert", "10", call_alert(call)),
            },
            Letter::CallOver(_) => match parcel.address.purpose {
                Purpose::Voip => ("voip", "10", json!({})),
                Purpose::Alert => ("background", "5", json!({"content-available": 1})),
            },
        };
        Self { push_type, priority, payload: json!({"aps": aps, "godwit": data}) }
    }
}

/// Title and body as they are shown when the app's notification service extension does not run. Keys of the app's string
/// table stand for what only the app can say in the person's language.
fn alert(message: &Notification, unread_count: Option<u32>) -> Value {
    let mut shown = Map::new();
    if message.chat_title.is_empty() {
        shown.insert("title".to_owned(), message.sender_name.clone().into());
    } else {
        shown.insert("title".to_owned(), message.chat_title.clone().into());
        shown.insert("subtitle".to_owned(), message.sender_name.clone().into());
    }
    let (name, body) = match (message.text.is_empty(), message.attachment_count) {
        (false, _) => ("body", message.text.as_str()),
        (true, 0) => ("loc-key", "NEW_MESSAGE"),
        (true, _) => ("loc-key", "ATTACHMENT"),
    };
    shown.insert(name.to_owned(), body.into());
    let category = if message.actions.contains(&Action::Reply) { "MESSAGE" } else { "POST" };
    let level = if message.is_silent { "passive" } else { "active" };
    let mut aps = Map::from_iter([
        ("alert".to_owned(), shown.into()),
        ("thread-id".to_owned(), message.chat_id.clone().into()),
        ("category".to_owned(), category.into()),
        ("mutable-content".to_owned(), 1.into()),
        ("interruption-level".to_owned(), level.into()),
    ]);
    if !message.is_silent {
        aps.insert("sound".to_owned(), "default".into());
    }
    if let Some(count) = unread_count {
        aps.insert("badge".to_owned(), count.into());
    }
    aps.into()
}

/// For a device that has no address for calls: an alert is the loudest that it can be sent.
fn call_alert(call: &CallRinging) -> Value {
    json!({
        "alert": {"title": call.caller_name, "loc-key": "INCOMING_CALL"},
        "sound": "default",
        "category": "CALL",
        "mutable-content": 1,
        "interruption-level": "time-sensitive",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::longest_notification;

    /// "Generating a remote notification": the payload of all but calls.
    const PAYLOAD_BYTES_MAX: usize = 4_096;

    #[test]
    fn the_longest_notification_fits_although_what_is_shown_is_in_it_twice() {
        let message = longest_notification();
        let aps = alert(&message, Some(u32::MAX));
        let payload = json!({"aps": aps, "godwit": Letter::MessageCreated(message)}).to_string();
        assert!(payload.len() <= PAYLOAD_BYTES_MAX && payload.len() > 3_000, "{} bytes", payload.len());
    }
}
