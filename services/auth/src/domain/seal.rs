use std::fmt;

use godwit_kernel::Entropy;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// The fewest characters of the secret that stored keys are sealed with.
const MIN_SECRET_CHARS: usize = 32;

/// A stored secret could not be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The sealing secret is too short to be one.
    #[error("the secret must be at least {MIN_SECRET_CHARS} characters long")]
    ShortSecret,
    /// The value was sealed with another secret, for another name, or was changed.
    #[error("the stored secret {name} does not open: it was sealed with another secret")]
    Foreign {
        /// Which.
        name: String,
    },
    /// The cipher refused.
    #[error("the cipher refused")]
    Cipher,
}

/// Encrypts the service's own secrets at rest, each bound to its name: AES-256-GCM with a random nonce in front.
pub struct Seal(LessSafeKey);

impl Seal {
    /// The seal of a secret that an operator chose.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(secret: &str) -> Result<Self, SealError> {
        if secret.chars().count() < MIN_SECRET_CHARS {
            return Err(SealError::ShortSecret);
        }
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), b"godwit auth seal v1");
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| SealError::Cipher)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals `secret` for `name`.
    ///
    /// # Errors
    /// When the cipher refuses, which it does for gigabytes only.
    pub fn seal(&self, name: &str, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let nonce = entropy.bytes::<NONCE_LEN>();
        let mut text = secret.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| SealError::Cipher)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed for `name`.
    ///
    /// # Errors
    /// When it was sealed with another secret, for another name, or changed since.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let foreign = || SealError::Foreign { name: name.to_owned() };
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(foreign)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| foreign())?;
        let mut text = text.to_vec();
        let secret = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).map_err(|_| foreign())?;
        Ok(secret.to_vec())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn only_the_same_secret_and_name_open() {
        let seal = Seal::new(&"s".repeat(32)).unwrap();
        let sealed = seal.seal("pepper", b"salt and", &SystemEntropy).unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"salt"));
        assert_eq!(seal.open("pepper", &sealed).unwrap(), b"salt and");
        assert!(seal.open("key", &sealed).is_err());
        assert!(seal.open("pepper", &sealed[..5]).is_err());
        assert!(Seal::new(&"t".repeat(32)).unwrap().open("pepper", &sealed).is_err());
        assert_eq!(Seal::new("short").unwrap_err(), SealError::ShortSecret);
    }
}
