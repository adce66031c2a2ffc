//! The only client of push services: encrypts (RFC 8291), signs (RFC 8292) and sends (RFC 8030). Endpoints are chosen by
//! strangers, so connections go to the public internet only, nothing is redirected, and no answer's body is read.

mod vapid;

pub use vapid::{InvalidKey, VapidKey};

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::{ChatId, DeviceId};
use godwit_outbound::{ClientOptions, Gate, LookupError, Reach};
use reqwest::header::RETRY_AFTER;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use web_push::{
    ContentEncoding, SubscriptionInfo, Urgency, WebPushError, WebPushMessageBuilder, request_builder::build_request,
};

use crate::domain::{Delivery, Endpoint, Verdict, Violation};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_PER_HOST: usize = 8;

/// Sends notifications.
pub struct PushClient {
    http: reqwest::Client,
    gate: Gate,
    reach: Reach,
    subject: String,
}

impl PushClient {
    /// A client for endpoints within `reach`; `subject` is where push services can reach the operator.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(reach: Reach, subject: String, timeout: Duration) -> Result<Self, reqwest::Error> {
        let gate = Gate::new(reach);
        let http = godwit_outbound::client(
            &gate,
            ClientOptions {
                timeout,
                connect_timeout: CONNECT_TIMEOUT,
                user_agent: "godwit-push",
                idle_per_host_max: IDLE_PER_HOST,
            },
        )?;
        Ok(Self { http, gate, reach, subject })
    }

    /// Reads an endpoint, and refuses one whose host's name leads into a private network now. A name that cannot be
    /// looked up is taken: each connection looks again.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn admit(&self, text: &str) -> Result<Endpoint, Violation> {
        let endpoint = Endpoint::parse(text, self.reach)?;
        if let Some((name, _)) = endpoint.name_and_port() {
            match self.gate.look_up(name).await {
                Err(LookupError::Private) => return Err(Violation("is not on the public internet")),
                Ok(_) | Err(LookupError::Unanswered(_)) => {}
            }
        }
        Ok(endpoint)
    }

    /// Makes one try with what the device is told. The answer of the push service is the verdict; that it cannot be
    /// reached is one too.
    pub async fn send(&self, delivery: &Delivery, payload: &[u8], key: &VapidKey, now: OffsetDateTime) -> Verdict {
        let Ok(endpoint) = Endpoint::parse(&delivery.endpoint, self.reach) else {
            return Verdict::Refused("the endpoint is not allowed".to_owned());
        };
        let request = match self.request(delivery, payload, &endpoint, key, now) {
            Ok(request) => request,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        match request.send().await {
            Ok(answer) => {
                let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                Verdict::of_status(answer.status().as_u16(), header.and_then(|text| retry_after(text, now)))
            }
            // The error's text would name the endpoint.
            Err(error) => Verdict::Later { retry_after: None, cause: kind_of(&error).to_owned() },
        }
    }

    fn request(
        &self,
        delivery: &Delivery,
        payload: &[u8],
        endpoint: &Endpoint,
        key: &VapidKey,
        now: OffsetDateTime,
    ) -> Result<reqwest::RequestBuilder, WebPushError> {
        let subscription = SubscriptionInfo::new(
            endpoint.as_str(),
            &URL_SAFE_NO_PAD.encode(&delivery.keys.p256dh),
            &URL_SAFE_NO_PAD.encode(&delivery.keys.auth),
        );
        let mut message = WebPushMessageBuilder::new(&subscription);
        message.set_ttl(u32::try_from((delivery.expires_at - now).whole_seconds()).unwrap_or(0));
        message.set_urgency(Urgency::Normal);
        message.set_topic(topic(delivery.device_id, delivery.chat_id));
        message.set_vapid_signature(key.sign(&subscription, &endpoint.origin(), &self.subject, now)?);
        message.set_payload(ContentEncoding::Aes128Gcm, payload);
        // The crate speaks an older version of `http` than reqwest.
        let (head, body) = build_request::<Vec<u8>>(message.build()?).into_parts();
        let mut request = self.http.post(endpoint.as_str()).body(body);
        for (name, value) in &head.headers {
            request = request.header(name.as_str(), value.as_bytes());
        }
        Ok(request)
    }
}

/// Notifications of one topic replace each other while the device is away: the newest of a chat is enough. A digest, so
/// that the push service cannot tell who shares a chat.
fn topic(device: DeviceId, chat: ChatId) -> String {
    let mut bytes = device.as_bytes().to_vec();
    bytes.extend_from_slice(chat.as_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    // At most 32 characters (RFC 8030, section 5.4).
    URL_SAFE_NO_PAD.encode(digest.as_ref()).chars().take(32).collect()
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let until = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
    (until - now).try_into().ok()
}

fn kind_of(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = datetime!(2026-06-01 12:00 UTC);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Mon, 01 Jun 2026 12:01:00 GMT", now), Some(Duration::from_secs(60)));
        for text in ["", "-1", "soon", "Mon, 01 Jun 2026 11:59:00 GMT"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }
}
