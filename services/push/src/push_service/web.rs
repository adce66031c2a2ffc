use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_outbound::{ClientOptions, Gate, LookupError, Reach};
use tokio::sync::OnceCell;
use web_push::{
    ContentEncoding, SubscriptionInfo, Urgency, WebPushError, WebPushMessageBuilder, request_builder::build_request,
};

use super::{Parcel, PushService, VapidKey, kind_of, retry_after};
use crate::domain::{Endpoint, Keys, Letter, Scope, Verdict, Violation};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_PER_HOST: usize = 8;

/// The push services of browsers: encrypts (RFC 8291), signs (RFC 8292) and sends (RFC 8030). Endpoints are chosen by
/// strangers, so connections go to the public internet only, nothing is redirected, and no answer's body is read.
pub struct WebPush {
    http: reqwest::Client,
    gate: Gate,
    reach: Reach,
    subject: String,
    key: Arc<OnceCell<Arc<VapidKey>>>,
}

impl WebPush {
    /// A client for endpoints within `reach`; `subject` is where push services can reach the operator. Whoever sends sees
    /// to it that the key is there.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        reach: Reach,
        subject: String,
        timeout: Duration,
        key: Arc<OnceCell<Arc<VapidKey>>>,
    ) -> Result<Self, reqwest::Error> {
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
        Ok(Self { http, gate, reach, subject, key })
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

    fn request(
        &self,
        parcel: &Parcel<'_>,
        endpoint: &Endpoint,
        keys: &Keys,
        key: &VapidKey,
    ) -> Result<reqwest::RequestBuilder, WebPushError> {
        let subscription = SubscriptionInfo::new(
            endpoint.as_str(),
            &URL_SAFE_NO_PAD.encode(&keys.p256dh),
            &URL_SAFE_NO_PAD.encode(&keys.auth),
        );
        let mut message = WebPushMessageBuilder::new(&subscription);
        message.set_ttl(u32::try_from(parcel.remaining().as_secs()).unwrap_or(u32::MAX));
        message.set_urgency(urgency(parcel.letter));
        message.set_topic(parcel.collapse_id.clone());
        message.set_vapid_signature(key.sign(&subscription, &endpoint.origin(), &self.subject, parcel.now)?);
        let json = parcel.letter.to_json();
        message.set_payload(ContentEncoding::Aes128Gcm, &json);
        // The crate speaks an older version of `http` than reqwest.
        let (head, body) = build_request::<Vec<u8>>(message.build()?).into_parts();
        let mut request = self.http.post(endpoint.as_str()).body(body);
        for (name, value) in &head.headers {
            request = request.header(name.as_str(), value.as_bytes());
        }
        Ok(request)
    }
}

#[async_trait]
impl PushService for WebPush {
    async fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        let Some(key) = self.key.get() else {
            return Verdict::later(Scope::Device, "the key is not known yet");
        };
        let (Ok(endpoint), Some(keys)) = (Endpoint::parse(&parcel.address.text, self.reach), &parcel.address.keys)
        else {
            return Verdict::Refused("the endpoint is not allowed".to_owned());
        };
        let request = match self.request(parcel, &endpoint, keys, key) {
            Ok(request) => request,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        match request.send().await {
            Ok(answer) => Verdict::of_status(answer.status().as_u16(), retry_after(answer.headers(), parcel.now)),
            // The error's text would name the endpoint.
            Err(error) => Verdict::later(Scope::Device, kind_of(&error)),
        }
    }
}

const fn urgency(letter: &Letter) -> Urgency {
    match letter {
        Letter::MessageCreated(notification) if !notification.is_silent => Urgency::Normal,
        Letter::CallRinging(_) | Letter::CallOver(_) => Urgency::High,
        _ => Urgency::Low,
    }
}
