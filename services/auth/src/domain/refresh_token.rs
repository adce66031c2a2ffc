use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::{Entropy, SessionId};
use ring::digest;
use uuid::Uuid;

use super::Pepper;
use super::pepper::same;

const SESSION_BYTES: usize = 16;
const GENERATION_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = SESSION_BYTES + GENERATION_BYTES + SECRET_BYTES + TAG_BYTES;

/// One link of a session's chain of refresh tokens. Opaque to clients: unpadded URL-safe base64 of
///
/// | bytes | what | why |
/// |---|---|---|
/// | 16 | session id | finds the row |
/// | 4 | generation, from 1 | tells a used token from the newest without a row for every token |
/// | 32 | secret | only its SHA-256 is stored, and only the newest |
/// | 16 | tag: HMAC of the above | a made-up token can neither end a session nor cost a query |
///
/// The secret of the next token is the HMAC of this one's under the pepper. So when the answer to a refresh is lost,
/// asking again with the same token yields the same successor, though the server keeps no token that it could repeat;
/// and neither the database nor one token alone gives the next.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    session_id: SessionId,
    generation: i32,
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    /// The first of a session.
    pub fn first(session_id: SessionId, entropy: &dyn Entropy) -> Self {
        Self { session_id, generation: 1, secret: entropy.bytes() }
    }

    /// Reads what a client sent; `None` when this service never made it.
    pub fn parse(text: &str, pepper: &Pepper) -> Option<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != TOKEN_BYTES {
            return None;
        }
        let (session_id, rest) = bytes.split_first_chunk::<SESSION_BYTES>()?;
        let (generation, rest) = rest.split_first_chunk::<GENERATION_BYTES>()?;
        let (secret, tag) = rest.split_first_chunk::<SECRET_BYTES>()?;
        let token = Self {
            session_id: SessionId::from_uuid(Uuid::from_bytes(*session_id)),
            generation: i32::from_be_bytes(*generation),
            secret: *secret,
        };
        same(&token.tag(pepper), tag).then_some(token)
    }

    /// What the client is given.
    pub fn to_text(&self, pepper: &Pepper) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend_from_slice(self.session_id.as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.tag(pepper));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The one that replaces it; always the same.
    pub fn successor(&self, pepper: &Pepper) -> Self {
        let secret = pepper.hash("refresh-successor", &[self.session_id.as_bytes(), &self.secret]);
        Self { session_id: self.session_id, generation: self.generation.saturating_add(1), secret }
    }

    /// Whose.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Its place in the chain, from 1.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// What is stored of the newest.
    pub fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.secret).as_ref().to_vec()
    }

    fn tag(&self, pepper: &Pepper) -> [u8; TAG_BYTES] {
        let parts = [self.session_id.as_bytes().as_slice(), &self.generation.to_be_bytes(), &self.secret];
        let hash = pepper.hash("refresh-tag", &parts);
        let mut tag = [0; TAG_BYTES];
        for (to, from) in tag.iter_mut().zip(hash) {
            *to = from;
        }
        tag
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    fn first() -> (Pepper, RefreshToken) {
        let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
        (Pepper::new(&[7; 32]), RefreshToken::first(session_id, &SystemEntropy))
    }

    #[test]
    fn a_token_survives_its_text_form() {
        let (pepper, token) = first();
        let next = token.successor(&pepper);
        assert_eq!(RefreshToken::parse(&token.to_text(&pepper), &pepper), Some(token));
        assert_eq!(RefreshToken::parse(&next.to_text(&pepper), &pepper), Some(next));
    }

    #[test]
    fn the_successor_is_always_the_same_and_another() {
        let (pepper, token) = first();
        let next = token.successor(&pepper);
        assert_eq!(next, token.successor(&pepper));
        assert_eq!((next.session_id(), next.generation()), (token.session_id(), 2));
        assert_ne!(next.hash(), token.hash());
        assert_ne!(next.successor(&pepper).hash(), next.hash());
    }

    #[test]
    fn a_changed_or_made_up_token_is_nobodys() {
        let (pepper, token) = first();
        let text = token.to_text(&pepper);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_ne!(RefreshToken::parse(&changed, &pepper), Some(token.clone()));
            assert_eq!(RefreshToken::parse(&changed, &pepper), None, "{at}");
        }
        assert_eq!(RefreshToken::parse("", &pepper), None);
        assert_eq!(RefreshToken::parse(&text, &Pepper::new(&[8; 32])), None);
    }
}
