use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::Entropy;

use super::Pepper;

const BYTES: usize = 32;

/// 256 random bits that stand for a right: to set a password, or to complete a login. Only a hash is stored.
#[derive(Clone)]
pub struct OpaqueToken([u8; BYTES]);

impl OpaqueToken {
    /// A random token.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Reads what a client sent; `None` when it is no such token.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        let read = URL_SAFE_NO_PAD.decode_slice(text.trim(), &mut bytes).ok()?;
        (read == BYTES).then_some(Self(bytes))
    }

    /// What the client is given: 43 characters of unpadded URL-safe base64.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored of a token that sets a new password.
    pub fn reset_hash(&self, pepper: &Pepper) -> [u8; 32] {
        pepper.hash("password-reset", &[&self.0])
    }

    /// What is stored of a token that completes a login.
    pub fn challenge_hash(&self, pepper: &Pepper) -> [u8; 32] {
        pepper.hash("login-challenge", &[&self.0])
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn a_token_survives_its_text_form_and_nothing_else_is_one() {
        let pepper = Pepper::new(&[7; 32]);
        let token = OpaqueToken::generate(&SystemEntropy);
        let text = token.to_text();
        assert_eq!(text.len(), 43);
        let read = OpaqueToken::parse(&text).unwrap();
        assert_eq!(read.reset_hash(&pepper), token.reset_hash(&pepper));
        assert_ne!(read.reset_hash(&pepper), token.challenge_hash(&pepper));
        for text in ["", "x", &text[1..], &format!("{text}A"), &"A".repeat(100_000)] {
            assert!(OpaqueToken::parse(text).is_none(), "{}", text.len());
        }
    }
}
