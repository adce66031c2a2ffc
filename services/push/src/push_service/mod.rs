//! The only clients of push services: browsers' ([`WebPush`]), Apple's ([`Apns`]) and Google's ([`Fcm`]). Each makes one try
//! and says how it ended; when to try again is decided elsewhere. Nothing that is sent, and no address, reaches a log.

mod apns;
mod fcm;
mod jwt;
mod provider_client;
mod vapid;
mod web;

pub use apns::{Apns, ApnsOptions};
pub use fcm::{Fcm, FcmOptions, ServiceAccount};
pub use jwt::KeyError;
pub use provider_client::{ProviderClient, ProviderOptions};
pub use vapid::{InvalidKey, VapidKey};
pub use web::WebPush;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::DeviceId;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use uuid::Uuid;

use crate::domain::{Address, Letter, Provider, Verdict};

/// One try.
pub struct Parcel<'a> {
    /// Where it goes.
    pub address: &'a Address,
    /// What it tells.
    pub letter: &'a Letter,
    /// The same at each try of the same thing.
    pub id: Uuid,
    /// Of two with the same, the newer takes the place of the older while the device is away. At most 32 characters.
    pub collapse_id: String,
    /// Whether the device was told of so few chats lately that each may have a place of its own at the push service.
    pub is_of_few_chats: bool,
    /// How many messages the person has not read, to be shown at the app's icon; absent: as it is.
    pub unread_count: Option<u32>,
    /// When it is too late.
    pub expires_at: OffsetDateTime,
    /// The moment of the try.
    pub now: OffsetDateTime,
}

impl Parcel<'_> {
    /// How long it is worth anything.
    pub fn remaining(&self) -> Duration {
        (self.expires_at - self.now).try_into().unwrap_or_default()
    }
}

/// A way to devices.
#[async_trait]
pub trait PushService: Send + Sync {
    /// Makes one try. The answer of the push service is the verdict; that it cannot be reached is one too.
    async fn send(&self, parcel: &Parcel<'_>) -> Verdict;
}

/// The push services that this deployment can use.
pub struct PushServices {
    /// Of browsers.
    pub web: Arc<WebPush>,
    /// Apple's, with an account.
    pub apns: Option<Arc<Apns>>,
    /// Google's, with an account.
    pub fcm: Option<Arc<Fcm>>,
}

impl PushServices {
    /// The one of a provider, if this deployment has an account there.
    pub fn of(&self, provider: Provider) -> Option<Arc<dyn PushService>> {
        match provider {
            Provider::Web => Some(Arc::clone(&self.web) as Arc<dyn PushService>),
            Provider::Apns => self.apns.clone().map(|service| service as Arc<dyn PushService>),
            Provider::Fcm => self.fcm.clone().map(|service| service as Arc<dyn PushService>),
        }
    }
}

/// A name for what a device is told of one subject, such as the messages of a chat. A digest, so that the push service
/// cannot tell who shares a chat; at most 32 characters (RFC 8030, section 5.4).
pub fn collapse_id(device: DeviceId, subject: Uuid, theme: &str) -> String {
    let mut bytes = device.as_bytes().to_vec();
    bytes.extend_from_slice(subject.as_bytes());
    bytes.extend_from_slice(theme.as_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    URL_SAFE_NO_PAD.encode(digest.as_ref()).chars().take(32).collect()
}

/// An id that is the same whoever makes it of the same parts.
pub fn stable_id(device: DeviceId, subject: Uuid, place: i64) -> Uuid {
    let mut bytes = device.as_bytes().to_vec();
    bytes.extend_from_slice(subject.as_bytes());
    bytes.extend_from_slice(&place.to_be_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(digest.as_ref()) {
        *place = *byte;
    }
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(secs) = text.parse() {
        return Some(Duration::from_secs(secs));
    }
    let until = OffsetDateTime::parse(text, &Rfc2822).ok()?;
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
    use godwit_kernel::{SystemClock, SystemEntropy};
    use time::macros::datetime;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = datetime!(2026-06-01 12:00 UTC);
        let of = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Mon, 01 Jun 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        for text in ["", "-1", "soon", "Mon, 01 Jun 2026 11:59:00 GMT"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn ids_are_the_same_for_the_same_and_others_for_others() {
        let device = || DeviceId::generate(&SystemClock, &SystemEntropy);
        let (one, other) = (device(), device());
        let subject = one.as_uuid();
        assert_eq!(stable_id(one, subject, 7), stable_id(one, subject, 7));
        assert_ne!(stable_id(one, subject, 7), stable_id(one, subject, 8));
        assert_ne!(stable_id(one, subject, 7), stable_id(other, subject, 7));
        assert_ne!(collapse_id(one, subject, "chat"), collapse_id(other, subject, "chat"));
        assert_ne!(collapse_id(one, subject, "chat"), collapse_id(one, subject, "read"));
        assert_eq!(collapse_id(one, subject, "chat").len(), 32);
    }
}
