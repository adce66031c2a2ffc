//! What clients are told of STUN and TURN servers. Nothing is kept of the credentials.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godwit_kernel::UserId;
use godwit_runtime::Secret;
use ring::hmac;
use time::{Duration, OffsetDateTime};

/// A TURN server, as configured: `turn:host:port`, with `?transport=`, and before it `region=` if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    /// Where it stands, in the operator's words; empty when that was not said.
    pub region: String,
    /// Its address (RFC 7065).
    pub url: String,
}

/// The text is no TURN server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not turn:host:port or turns:host:port, with region= before it if it has one")]
pub struct InvalidTurnServer(String);

impl FromStr for TurnServer {
    type Err = InvalidTurnServer;

    fn from_str(text: &str) -> Result<Self, InvalidTurnServer> {
        let is_url = |text: &str| {
            ["turn:", "turns:"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        };
        // The query of a URL has an equals sign too: a region stands before the scheme.
        let (region, url) = match text.split_once('=') {
            Some((region, url)) if is_url(url) => (region, url),
            _ => ("", text),
        };
        if !is_url(url) || url.chars().any(char::is_whitespace) {
            return Err(InvalidTurnServer(text.to_owned()));
        }
        Ok(Self { region: region.to_owned(), url: url.to_owned() })
    }
}

/// The servers that help two devices to connect, and the secret that the TURN servers share with this service.
#[derive(Clone, Debug)]
pub struct Turn {
    /// `stun:host:port` (RFC 7064).
    pub stun_urls: Vec<String>,
    /// The relays; none are told without a secret.
    pub servers: Vec<TurnServer>,
    /// `static-auth-secret` of coturn.
    pub secret: Option<Secret>,
    /// How long credentials work.
    pub ttl: Duration,
}

/// One entry of `RTCConfiguration.iceServers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// Empty for STUN.
    pub username: String,
    /// Empty for STUN.
    pub credential: String,
    /// Where it stands; empty when that is not known.
    pub region: String,
}

/// What a person's devices are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServers {
    /// STUN first, then the relays by region, in the configured order.
    pub servers: Vec<IceServer>,
    /// When the credentials stop working for new relays.
    pub expires_at: OffsetDateTime,
}

impl Turn {
    /// The servers with credentials of this person's own: the name is the time they end at and the person, the password
    /// its HMAC-SHA1 (draft-uberti-behave-turn-rest-00, which coturn knows as `use-auth-secret`).
    pub fn servers_for(&self, user_id: UserId, now: OffsetDateTime) -> IceServers {
        let expires_at = now + self.ttl;
        let mut servers = Vec::new();
        if !self.stun_urls.is_empty() {
            let (username, credential, region) = (String::new(), String::new(), String::new());
            servers.push(IceServer { urls: self.stun_urls.clone(), username, credential, region });
        }
        if let Some(secret) = &self.secret {
            let username = format!("{}:{user_id}", expires_at.unix_timestamp());
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
            let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
            for TurnServer { region, url } in &self.servers {
                match servers.iter_mut().find(|known| !known.username.is_empty() && known.region == *region) {
                    Some(known) => known.urls.push(url.clone()),
                    None => servers.push(IceServer {
                        urls: vec![url.clone()],
                        username: username.clone(),
                        credential: credential.clone(),
                        region: region.clone(),
                    }),
                }
            }
        }
        IceServers { servers, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::UserId;
    use uuid::Uuid;

    use super::*;

    fn turn(secret: Option<&str>) -> Turn {
        let servers = ["eu=turn:a:3478?transport=udp", "eu=turns:a:5349", "turn:b:3478?transport=tcp"];
        Turn {
            stun_urls: vec!["stun:a:3478".to_owned()],
            servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
            secret: secret.map(|secret| secret.to_owned().into()),
            ttl: Duration::hours(1),
        }
    }

    #[test]
    fn credentials_are_what_coturn_computes() {
        let user_id = UserId::from_uuid(Uuid::from_u128(1));
        let told = turn(Some("north")).servers_for(user_id, OffsetDateTime::UNIX_EPOCH);
        let [stun, eu, other] = told.servers.as_slice() else { panic!("{told:?}") };
        assert_eq!((stun.urls.as_slice(), stun.credential.as_str()), (&["stun:a:3478".to_owned()][..], ""));
        assert_eq!((eu.region.as_str(), eu.urls.len()), ("eu", 2));
        assert_eq!((other.region.as_str(), other.urls.as_slice()), ("", &["turn:b:3478?transport=tcp".to_owned()][..]));
        assert_eq!(eu.username, "3600:00000000-0000-0000-0000-000000000001");
        // printf 3600:00000000-0000-0000-0000-000000000001 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(eu.credential, "qUPrz/WvlZ1kTJePhFiVcmf3464=");
        assert_eq!(told.expires_at, OffsetDateTime::UNIX_EPOCH + Duration::hours(1));
    }

    #[test]
    fn without_a_secret_no_relay_is_told() {
        let told = turn(None).servers_for(UserId::from_uuid(Uuid::from_u128(1)), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(told.servers.len(), 1);
    }

    #[test]
    fn what_is_no_turn_server_is_refused() {
        for text in ["", "stun:a", "turn:", "eu=", "eu=stun:a", "turn:a b"] {
            assert!(text.parse::<TurnServer>().is_err(), "{text}");
        }
    }
}
