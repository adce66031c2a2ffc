use std::fmt;

use godwit_kernel::{DeviceId, SessionId, UserId};
use pasetors::errors::Error as PasetoError;
use pasetors::footer::Footer;
use pasetors::keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate};
use pasetors::paserk::{FormatAsPaserk, Id};
use pasetors::version4::{PublicToken, V4};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Who signs and who may read.
const ISSUER: &str = "godwit";
const AUDIENCE: &str = "godwit";

/// An access token or its key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token library refused.
    #[error("the token library refused")]
    Paseto(#[source] PasetoError),
    /// An instant has no text form.
    #[error("an instant of the token has no text form")]
    Instant(#[source] time::error::Format),
    /// The claims have no JSON form.
    #[error("the claims have no JSON form")]
    Claims(#[source] serde_json::Error),
}

impl From<PasetoError> for TokenError {
    fn from(source: PasetoError) -> Self {
        Self::Paseto(source)
    }
}

/// What an access token says. Verifiers allow 30 s of clock difference on `nbf`, `iat` and `exp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`.
    pub user_id: UserId,
    /// `sid`.
    pub session_id: SessionId,
    /// `did`.
    pub device_id: DeviceId,
    /// `iat` and `nbf`, in whole seconds.
    pub issued_at: OffsetDateTime,
    /// `exp`, in whole seconds.
    pub expires_at: OffsetDateTime,
}

impl AccessClaims {
    /// The claims of a token that lives from now for `life`.
    pub fn new(ids: (UserId, SessionId, DeviceId), now: OffsetDateTime, life: Duration) -> Self {
        let (user_id, session_id, device_id) = ids;
        let issued_at = now - Duration::nanoseconds(i64::from(now.nanosecond()));
        Self { user_id, session_id, device_id, issued_at, expires_at: issued_at + life }
    }
}

#[derive(Serialize)]
struct Payload {
    iss: &'static str,
    aud: &'static str,
    sub: String,
    sid: String,
    did: String,
    iat: String,
    nbf: String,
    exp: String,
}

/// A public key, as verifiers load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// PASERK `k4.pid`: the `kid` of a token's footer.
    pub id: String,
    /// PASERK `k4.public`.
    pub paserk: String,
}

/// A key pair that signs access tokens (PASETO v4.public: Ed25519).
pub struct SigningKey {
    secret: AsymmetricSecretKey<V4>,
    public: TokenKey,
    footer: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn generate() -> Result<Self, TokenError> {
        let pair = AsymmetricKeyPair::<V4>::generate()?;
        Self::new(pair.secret, &pair.public)
    }

    /// The key with these secret bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_bytes(secret: &[u8]) -> Result<Self, TokenError> {
        let secret = AsymmetricSecretKey::<V4>::from(secret)?;
        let public = AsymmetricPublicKey::<V4>::try_from(&secret)?;
        Self::new(secret, &public)
    }

    fn new(secret: AsymmetricSecretKey<V4>, public: &AsymmetricPublicKey<V4>) -> Result<Self, TokenError> {
        let id = Id::from(public);
        let mut footer = Footer::new();
        footer.key_id(&id);
        let footer = footer.to_string()?.into_bytes();
        let text_error = |_| TokenError::Paseto(PasetoError::PaserkParsing);
        let mut key = TokenKey { id: String::new(), paserk: String::new() };
        id.fmt(&mut key.id).map_err(text_error)?;
        public.fmt(&mut key.paserk).map_err(text_error)?;
        Ok(Self { secret, public: key, footer })
    }

    /// The bytes to store, sealed.
    pub fn secret_bytes(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// What verifiers need.
    pub fn public(&self) -> &TokenKey {
        &self.public
    }

    /// A signed token, with the key's id in its footer.
    ///
    /// # Errors
    /// When an instant is out of range or the library refuses.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, TokenError> {
        let issued_at = claims.issued_at.format(&Rfc3339).map_err(TokenError::Instant)?;
        let payload = Payload {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: claims.user_id.to_string(),
            sid: claims.session_id.to_string(),
            did: claims.device_id.to_string(),
            nbf: issued_at.clone(),
            iat: issued_at,
            exp: claims.expires_at.format(&Rfc3339).map_err(TokenError::Instant)?,
        };
        let payload = serde_json::to_vec(&payload).map_err(TokenError::Claims)?;
        Ok(PublicToken::sign(&self.secret, &payload, Some(&self.footer), None)?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};
    use pasetors::Public;
    use pasetors::claims::Claims;
    use pasetors::token::UntrustedToken;

    use super::*;

    #[test]
    fn a_token_verifies_with_the_listed_key_and_says_who() {
        let generated = SigningKey::generate().unwrap();
        let key = SigningKey::from_bytes(generated.secret_bytes()).unwrap();
        assert_eq!(key.public(), generated.public());
        let ids = (
            UserId::generate(&SystemClock, &SystemEntropy),
            SessionId::generate(&SystemClock, &SystemEntropy),
            DeviceId::generate(&SystemClock, &SystemEntropy),
        );
        let now = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(1_500);
        let claims = AccessClaims::new(ids, now, Duration::minutes(15));
        let token = key.sign(&claims).unwrap();

        let public = AsymmetricPublicKey::<V4>::try_from(key.public().paserk.as_str()).unwrap();
        let untrusted = UntrustedToken::<Public, V4>::try_from(&token).unwrap();
        let mut footer = Footer::new();
        footer.parse_bytes(untrusted.untrusted_footer()).unwrap();
        assert_eq!(footer.get_claim("kid").unwrap().as_str(), Some(key.public().id.as_str()));
        let trusted = PublicToken::verify(&public, &untrusted, None, None).unwrap();
        let read = Claims::from_string(trusted.payload()).unwrap();
        let claim = |name: &str| read.get_claim(name).and_then(|value| value.as_str()).unwrap().to_owned();
        assert_eq!(claim("sub"), ids.0.to_string());
        assert_eq!(claim("sid"), ids.1.to_string());
        assert_eq!(claim("did"), ids.2.to_string());
        assert_eq!((claim("iss").as_str(), claim("aud").as_str()), ("godwit", "godwit"));
        assert_eq!(claim("iat"), "1970-01-01T00:00:01Z");
        assert_eq!(claim("nbf"), "1970-01-01T00:00:01Z");
        assert_eq!(claim("exp"), "1970-01-01T00:15:01Z");
    }

    #[test]
    fn another_key_does_not_verify() {
        let (one, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let ids = (
            UserId::generate(&SystemClock, &SystemEntropy),
            SessionId::generate(&SystemClock, &SystemEntropy),
            DeviceId::generate(&SystemClock, &SystemEntropy),
        );
        let token = one.sign(&AccessClaims::new(ids, OffsetDateTime::UNIX_EPOCH, Duration::minutes(1))).unwrap();
        let public = AsymmetricPublicKey::<V4>::try_from(other.public().paserk.as_str()).unwrap();
        let untrusted = UntrustedToken::<Public, V4>::try_from(&token).unwrap();
        assert!(PublicToken::verify(&public, &untrusted, None, None).is_err());
    }
}
