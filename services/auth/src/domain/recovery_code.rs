use std::fmt;

use godwit_kernel::{Entropy, UserId};

use super::{Pepper, Problem, TotpCode};

/// How many are handed out at once.
const COUNT: usize = 10;
/// 12 characters of 5 bits: 60 bits, behind a throttle.
const CHARS: usize = 12;
const GROUP: usize = 4;
/// Crockford's base 32, in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What replaces a code of the authenticator once, when that is lost.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// A set of random codes, all different.
    pub fn generate_set(entropy: &dyn Entropy) -> Vec<Self> {
        let mut set: Vec<Self> = Vec::with_capacity(COUNT);
        while set.len() < COUNT {
            let code = Self::generate(entropy);
            if !set.contains(&code) {
                set.push(code);
            }
        }
        set
    }

    fn generate(entropy: &dyn Entropy) -> Self {
        let bytes: [u8; CHARS] = entropy.bytes();
        let chars = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
        Self(chars.map(|byte| char::from(*byte)).collect())
    }

    /// Reads what a person typed: in any case, with or without hyphens and spaces, and with letters taken for the
    /// digits they look like.
    ///
    /// # Errors
    /// When it is no such code.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let chars = text.chars().filter(|c| !matches!(c, ' ' | '-')).take(CHARS + 1);
        let folded: String = chars.map(unmistaken).collect();
        if folded.len() != CHARS || !folded.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err("must be a recovery code");
        }
        Ok(Self(folded))
    }

    /// As the person is shown it: `xxxx-xxxx-xxxx`.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(CHARS + CHARS / GROUP);
        for (at, char) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(char);
        }
        text
    }

    /// What is stored: bound to the person, keyed by the pepper.
    pub fn hash(&self, user_id: UserId, pepper: &Pepper) -> [u8; 32] {
        pepper.hash("recovery-code", &[user_id.as_bytes(), self.0.as_bytes()])
    }
}

fn unmistaken(c: char) -> char {
    match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// What a person proves with, beside the password, that it is them.
#[derive(Clone, Debug)]
pub enum SecondFactor {
    /// Of the authenticator.
    Totp(TotpCode),
    /// Instead of it.
    Recovery(RecoveryCode),
}

impl SecondFactor {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if let Ok(code) = TotpCode::parse(text) {
            return Ok(Self::Totp(code));
        }
        RecoveryCode::parse(text).map(Self::Recovery).map_err(|_| "must be 6 digits or a recovery code")
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = RecoveryCode("0a1b2c3d4e5f".to_owned());
        assert_eq!(code.to_text(), "0a1b-2c3d-4e5f");
        for text in ["0a1b-2c3d-4e5f", "0A1B2C3D4E5F", " 0a1b 2c3d 4e5f ", "oalb-2c3d-4e5f"] {
            assert_eq!(RecoveryCode::parse(text), Ok(code.clone()), "{text}");
        }
        for text in ["", "0a1b-2c3d", "0a1b-2c3d-4e5f-6", "0a1b-2c3d-4e5u", "ä23456789012"] {
            assert!(RecoveryCode::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_is_ten_different_codes() {
        let set = RecoveryCode::generate_set(&SystemEntropy);
        assert_eq!(set.len(), COUNT);
        for (at, code) in set.iter().enumerate() {
            assert_eq!(RecoveryCode::parse(&code.to_text()).as_ref(), Ok(code));
            assert!(!set[..at].contains(code));
        }
    }

    #[test]
    fn the_same_code_of_another_person_has_another_hash() {
        let pepper = Pepper::new(&[7; 32]);
        let code = RecoveryCode::parse("0a1b-2c3d-4e5f").unwrap();
        let [one, other] = [(); 2].map(|()| UserId::generate(&SystemClock, &SystemEntropy));
        assert_eq!(code.hash(one, &pepper), code.hash(one, &pepper));
        assert_ne!(code.hash(one, &pepper), code.hash(other, &pepper));
    }

    #[test]
    fn six_digits_are_of_the_authenticator_and_the_rest_is_a_recovery_code() {
        assert!(matches!(SecondFactor::parse("123456"), Ok(SecondFactor::Totp(_))));
        assert!(matches!(SecondFactor::parse("1234-5678-9012"), Ok(SecondFactor::Recovery(_))));
        assert!(SecondFactor::parse("12345").is_err());
    }
}
