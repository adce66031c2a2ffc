use godwit_rpc::Caller;
use pasetors::Public;
use pasetors::footer::Footer;
use pasetors::keys::AsymmetricPublicKey;
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::Error;

/// A token of ours is about 400 bytes.
const TOKEN_BYTES_MAX: usize = 2_048;
/// The difference of clocks that is forgiven.
const LEEWAY: Duration = Duration::seconds(30);
const ISSUER: &str = "godwit";
const AUDIENCE: &str = "godwit";

/// A PASETO v4.public token whose signature was not checked yet.
pub type Untrusted = UntrustedToken<Public, V4>;
/// A key that checks signatures.
pub type PublicKey = AsymmetricPublicKey<V4>;

/// What a verified token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose it is.
    pub caller: Caller,
    /// When it ends, without leeway.
    pub expires_at: OffsetDateTime,
}

impl Identity {
    /// # Errors
    /// When the token's time is over.
    pub fn check_life(&self, now: OffsetDateTime) -> Result<(), Error> {
        if now < self.ends_at() { Ok(()) } else { Err(Error::TokenExpired) }
    }

    /// When it is no longer taken.
    pub fn ends_at(&self) -> OffsetDateTime {
        self.expires_at + LEEWAY
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    did: String,
    #[serde(with = "time::serde::rfc3339")]
    nbf: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    exp: OffsetDateTime,
}

/// # Errors
/// When the text is no v4.public token.
pub fn parse(text: &str) -> Result<Untrusted, Error> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Error::TokenInvalid);
    }
    Untrusted::try_from(text).map_err(|_| Error::TokenInvalid)
}

/// Which key is said to have signed it: PASERK `k4.pid`.
///
/// # Errors
/// When the footer names none.
pub fn key_id(token: &Untrusted) -> Result<String, Error> {
    let mut footer = Footer::new();
    footer.parse_bytes(token.untrusted_footer()).map_err(|_| Error::TokenInvalid)?;
    let id = footer.get_claim("kid").and_then(|id| id.as_str());
    id.map(str::to_owned).ok_or(Error::TokenInvalid)
}

/// # Errors
/// When the key did not sign it, or it is not for us, or not for now.
pub fn verify(key: &PublicKey, token: &Untrusted, now: OffsetDateTime) -> Result<Identity, Error> {
    let trusted = PublicToken::verify(key, token, None, None).map_err(|_| Error::TokenInvalid)?;
    let claims: Claims = serde_json::from_str(trusted.payload()).map_err(|_| Error::TokenInvalid)?;
    if claims.iss != ISSUER || claims.aud != AUDIENCE || now < claims.nbf - LEEWAY {
        return Err(Error::TokenInvalid);
    }
    let caller = Caller {
        user_id: claims.sub.parse().map_err(|_| Error::TokenInvalid)?,
        session_id: claims.sid.parse().map_err(|_| Error::TokenInvalid)?,
        device_id: claims.did.parse().map_err(|_| Error::TokenInvalid)?,
    };
    let identity = Identity { caller, expires_at: claims.exp };
    identity.check_life(now)?;
    Ok(identity)
}
