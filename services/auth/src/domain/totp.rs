use std::fmt;

use godwit_kernel::Entropy;
use time::OffsetDateTime;
use totp_rs::{Algorithm, Builder, Secret, Totp, TotpError};

use super::{Problem, Username};

/// 160 bits, as RFC 4226 (section 4, R6) recommends.
const SECRET_BYTES: usize = 20;
const STEP_SECS: u64 = 30;
/// How many steps before and after the present one are taken: clocks differ, and people are slow.
const SKEW_STEPS: u16 = 1;
const DIGITS: u8 = 6;
const ISSUER: &str = "Godwit";

/// What an authenticator and this service share (RFC 6238: HMAC-SHA-1, 30 s, 6 digits).
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

/// The 6 digits that an authenticator shows.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpCode(String);

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
        Secret::from(self.0).to_base32()
    }

    /// For the QR code that an authenticator reads. A username needs no escaping.
    pub fn otpauth_uri(&self, username: &Username) -> String {
        let (name, secret) = (username.as_str(), self.to_base32());
        format!(
            "otpauth://totp/{ISSUER}:{name}?secret={secret}&issuer={ISSUER}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECS}"
        )
    }

    /// The step, of the present one and its neighbours, whose code this is; a code is taken once for its step.
    pub fn step_of(&self, code: &TotpCode, now: OffsetDateTime) -> Option<i64> {
        let now = u64::try_from(now.unix_timestamp()).ok()?;
        let step = self.authenticator().ok()?.check(&code.0, now)?;
        i64::try_from(step).ok()
    }

    fn authenticator(&self) -> Result<Totp, TotpError> {
        let algorithm = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(DIGITS);
        algorithm.with_step_duration(STEP_SECS).with_skew(SKEW_STEPS).with_secret(self.0).build()
    }
}

impl TotpCode {
    /// Reads what a person typed; spaces are taken out, as authenticators show some.
    ///
    /// # Errors
    /// When it is not 6 digits.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let digits: String = text.chars().filter(|c| *c != ' ').take(usize::from(DIGITS) + 1).collect();
        if digits.len() != usize::from(DIGITS) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be 6 digits");
        }
        Ok(Self(digits))
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

    /// RFC 6238, appendix B: the SHA-1 rows, 8 digits, of which 6 are the last.
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

    fn code(digits: u32) -> TotpCode {
        TotpCode::parse(&format!("{:06}", digits % 1_000_000)).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        for (secs, digits) in VECTORS {
            assert_eq!(secret().step_of(&code(digits), at(secs)), Some(secs / 30), "{secs}");
            assert_eq!(secret().step_of(&code(digits + 1), at(secs)), None, "{secs}");
        }
    }

    #[test]
    fn the_neighbouring_steps_are_taken_and_no_others() {
        let (now, code) = (at(1_111_111_111), code(14_050_471));
        let present = now.unix_timestamp() / 30;
        for steps in [-1, 0, 1] {
            assert_eq!(secret().step_of(&code, now + Duration::seconds(steps * 30)), Some(present), "{steps}");
        }
        for steps in [-2, 2] {
            assert_eq!(secret().step_of(&code, now + Duration::seconds(steps * 30)), None, "{steps}");
        }
    }

    #[test]
    fn no_code_is_of_a_time_before_1970() {
        assert_eq!(secret().step_of(&code(0), at(-1)), None);
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
        assert_eq!(format!("{:?} {:?}", secret(), code(123_456)), "TotpSecret(…) TotpCode(…)");
    }
}
