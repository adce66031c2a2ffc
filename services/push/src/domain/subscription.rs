use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use godwit_kernel::{DeviceId, SessionId, UserId};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;

use super::{Endpoint, Violation};

const POINT_BYTES: usize = 65;
const SECRET_BYTES: usize = 16;

/// base64url, with or without padding: browsers leave it off, libraries do not.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A device's Web Push subscription.
pub struct Subscription {
    /// The device; it has one subscription.
    pub device_id: DeviceId,
    /// Whose device it is.
    pub user_id: UserId,
    /// The login that registered it: the subscription ends with it.
    pub session_id: SessionId,
    /// Where the push service takes notifications.
    pub endpoint: Endpoint,
    /// What they are encrypted with.
    pub keys: Keys,
}

/// What only the device can decrypt (RFC 8291, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The device's public key: a point of P-256, uncompressed.
    pub p256dh: Vec<u8>,
    /// The authentication secret.
    pub auth: Vec<u8>,
}

impl Keys {
    /// Reads the device's public key.
    ///
    /// # Errors
    /// When it is not a point of the curve.
    pub fn parse_p256dh(text: &str) -> Result<Vec<u8>, Violation> {
        let violation = Violation("is not an uncompressed P-256 point in base64url");
        let point = decode(text, POINT_BYTES).ok_or(violation)?;
        // Agreeing on a key is how ring checks that a point is on the curve; the key itself is not used.
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|_| violation)?;
        agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, &point), |_| ()).map_err(|_| violation)?;
        Ok(point)
    }

    /// Reads the authentication secret.
    ///
    /// # Errors
    /// When it is not 16 bytes.
    pub fn parse_auth(text: &str) -> Result<Vec<u8>, Violation> {
        decode(text, SECRET_BYTES).ok_or(Violation("is not 16 bytes in base64url"))
    }
}

fn decode(text: &str, length: usize) -> Option<Vec<u8>> {
    // Longer texts are not even decoded.
    if text.len() > length * 2 {
        return None;
    }
    BASE64URL.decode(text).ok().filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_points_of_the_curve_are_keys() {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let point = own.compute_public_key().unwrap();
        assert_eq!(Keys::parse_p256dh(&BASE64URL.encode(&point)).unwrap(), point.as_ref());
        let mut off_the_curve = point.as_ref().to_vec();
        off_the_curve[64] ^= 1;
        for bytes in [&off_the_curve, &point.as_ref()[..64].to_vec(), &vec![4; 65], &Vec::new()] {
            assert!(Keys::parse_p256dh(&BASE64URL.encode(bytes)).is_err());
        }
        assert!(Keys::parse_p256dh("not base64!").is_err());
    }

    #[test]
    fn the_secret_has_sixteen_bytes_padded_or_not() {
        for text in ["AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA=="] {
            assert_eq!(Keys::parse_auth(text), Ok(vec![0; 16]));
        }
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "+/AAAAAAAAAAAAAAAAAAAA"] {
            assert!(Keys::parse_auth(text).is_err(), "{text}");
        }
    }
}
