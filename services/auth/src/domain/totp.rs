use std::fmt;

use data_encoding::BASE32_NOPAD;
use godwit_kernel::Entropy;
use ring::hmac;
use time::OffsetDateTime;

use super::{Problem, Username};

/// 160 bits, as RFC 4226 (section 4, R6) recommends.
const SECRET_BYTES: usize = 20;
const STEP_SECS: i64 = 30;
/// How many steps before and after the present one are taken: clocks differ, and people are slow.
const SKEW_STEPS: i64 = 1;
const DIGITS: usize = 6;
const ISSUER: &str = "Godwit";

/// What an authenticator and this service share (RFC 6238: HMAC-SHA-1, 30 s, 6 digits).
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

/// The 6 digits that an authenticator shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TotpCode(u32);

impl TotpSecret {
    /// A random secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// The secret with these bytes; `None` when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store, sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// To type into an authenticator (RFC 4648, section 6, without padding).
    pub fn to_base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// For the QR code that an authenticator reads. A username needs no escaping.
    pub fn otpauth_uri(&self, username: &Username) -> String {
        let (name, secret) = (username.as_str(), self.to_base32());
        format!(
            "otpauth://totp/{ISSUER}:{name}?secret={secret}&issuer={ISSUER}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECS}"
        )
    }

    /// The step, of the present one and its neighbours, whose code this is. All are compared, so that the time tells
    /// nothing.
    pub fn step_of(&self, code: TotpCode, now: OffsetDateTime) -> Option<i64> {
        let present = now.unix_timestamp().div_euclid(STEP_SECS);
        let mut found = None;
        for step in present - SKEW_STEPS..=present + SKEW_STEPS {
            if self.code_of(step) == code {
                found = Some(step);
            }
        }
        found
    }

    fn code_of(&self, step: i64) -> TotpCode {
        TotpCode(self.truncated(step) % 1_000_000)
    }

    /// RFC 4226, section 5.3.
    fn truncated(&self, step: i64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let hash = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(hash.as_ref().last().copied().unwrap_or_default() & 0x0f);
        let mut four = [0; 4];
        for (to, from) in four.iter_mut().zip(hash.as_ref().iter().skip(offset)) {
            *to = *from;
        }
        u32::from_be_bytes(four) & 0x7fff_ffff
    }
}

impl TotpCode {
    /// Reads what a person typed; spaces are taken out, as authenticators show some.
    ///
    /// # Errors
    /// When it is not 6 digits.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let digits: String = text.chars().filter(|c| *c != ' ').take(DIGITS + 1).collect();
        if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be 6 digits");
        }
        digits.parse().map(Self).map_err(|_| "must be 6 digits")
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    /// RFC 6238, appendix B: the SHA-1 rows, 8 digits.
    const VECTORS: [(i64, u32); 6] = [
        (59, 94_287_082),
        (1_111_111_109, 7_081_804),
        (1_111_111_111, 14_050_471),
        (1_234_567_890, 89_005_924),
        (2_000_000_000, 69_279_037),
        (20_000_000_000, 65_353_130),
    ];

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(secs: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(secs).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        for (secs, code) in VECTORS {
            assert_eq!(secret().truncated(secs / STEP_SECS) % 100_000_000, code, "{secs}");
            let six = TotpCode::parse(&format!("{:06}", code % 1_000_000)).unwrap();
            assert_eq!(secret().step_of(six, at(secs)), Some(secs / STEP_SECS), "{secs}");
        }
    }

    #[test]
    fn the_neighbouring_steps_are_taken_and_no_others() {
        let now = at(1_111_111_111);
        let present = now.unix_timestamp() / STEP_SECS;
        let code = secret().code_of(present);
        for steps in [-1, 0, 1] {
            let then = now + Duration::seconds(steps * STEP_SECS);
            assert_eq!(secret().step_of(code, then), Some(present), "{steps}");
        }
        for steps in [-2, 2] {
            assert_eq!(secret().step_of(code, now + Duration::seconds(steps * STEP_SECS)), None, "{steps}");
        }
    }

    #[test]
    fn the_uri_is_what_authenticators_read() {
        let uri = secret().otpauth_uri(&Username::parse("ada").unwrap());
        assert_eq!(
            uri,
            "otpauth://totp/Godwit:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Godwit\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn a_code_is_six_digits() {
        assert!(TotpCode::parse("123 456").is_ok());
        for text in ["", "12345", "1234567", "12345x", "１２３４５６", "-12345", &"1".repeat(10_000)] {
            assert!(TotpCode::parse(text).is_err(), "{}", text.len());
        }
    }

    #[test]
    fn secrets_have_no_debug_text() {
        assert_eq!(format!("{:?} {:?}", secret(), TotpCode(123_456)), "TotpSecret(…) TotpCode(…)");
    }
}
