use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq;

/// The secret that keys every hash of something short or guessable, so that a copy of the database alone gives none
/// of it away.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// How long the secret is.
    pub const BYTES: usize = 32;

    /// The pepper with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The keyed hash of `parts` for one `purpose`. Parts are told apart by their lengths.
    pub fn hash(&self, purpose: &'static str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [purpose.as_bytes()].iter().chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        hash
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// Whether two hashes are equal, in a time that does not tell where they differ.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_secret_purpose_and_parts() {
        let pepper = Pepper::new(&[7; 32]);
        let hash = pepper.hash("code", &[b"ab", b"c"]);
        assert_eq!(hash, pepper.hash("code", &[b"ab", b"c"]));
        assert_ne!(hash, pepper.hash("code", &[b"a", b"bc"]));
        assert_ne!(hash, pepper.hash("login", &[b"ab", b"c"]));
        assert_ne!(hash, Pepper::new(&[8; 32]).hash("code", &[b"ab", b"c"]));
    }
}
