//! JSON Web Tokens (RFC 7515) by which push services know this deployment.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

/// The text is no private key of the kind that is needed.
#[derive(Debug, thiserror::Error)]
#[error("not a private key of {kind} in PEM (PKCS #8)")]
pub struct KeyError {
    kind: &'static str,
}

/// What signs tokens.
pub enum SigningKey {
    /// ES256.
    Ecdsa(Box<EcdsaKeyPair>),
    /// RS256.
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// An ES256 key, such as the `.p8` files of Apple have.
    pub fn ecdsa(pem: &str) -> Result<Self, KeyError> {
        let error = || KeyError { kind: "P-256" };
        let der = decode(pem).ok_or_else(error)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &SystemRandom::new());
        Ok(Self::Ecdsa(Box::new(pair.map_err(|_| error())?)))
    }

    /// An RS256 key of 2048 bits or more, such as Google's service accounts have.
    pub fn rsa(pem: &str) -> Result<Self, KeyError> {
        let error = || KeyError { kind: "RSA" };
        let der = decode(pem).ok_or_else(error)?;
        Ok(Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| error())?)))
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn token(&self, key_id: &str, claims: &impl Serialize) -> Result<String, ring::error::Unspecified> {
        let algorithm = match self {
            Self::Ecdsa(_) => "ES256",
            Self::Rsa(_) => "RS256",
        };
        let header = Header { alg: algorithm, typ: "JWT", kid: key_id };
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ecdsa(pair) => pair.sign(&random, signed.as_bytes())?.as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)?;
                signature
            }
        };
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

fn encode(part: &impl Serialize) -> String {
    // Strings and numbers only: nothing of it can fail to be written.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_default())
}

/// Line breaks may be written as `\n`, as environment variables often have them.
fn decode(pem: &str) -> Option<PrivatePkcs8KeyDer<'static>> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.replace("\\n", "\n").as_bytes()).ok()
}
