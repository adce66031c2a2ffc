use godwit_kernel::{DeviceId, SessionId, UserId};

use super::{Keys, Violation};

const APNS_TOKEN_BYTES: std::ops::RangeInclusive<usize> = 2..=200;
const FCM_TOKEN_BYTES: usize = 4_096;

/// Whose push service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// That of a browser (RFC 8030).
    Web,
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Web, Self::Apns, Self::Fcm];

    /// As the database and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Apns => "apns",
            Self::Fcm => "fcm",
        }
    }

    /// What the database has.
    pub fn from_store(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == text)
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What is shown; where there is no other, calls too.
    Alert,
    /// Calls that ring.
    Voip,
}

impl Purpose {
    /// As the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Voip => "voip",
        }
    }

    /// What the database has; anything else is the common one.
    pub fn from_store(text: &str) -> Self {
        if text == "voip" { Self::Voip } else { Self::Alert }
    }
}

/// Where a device is reached.
#[derive(Clone)]
pub struct Address {
    /// The device.
    pub device_id: DeviceId,
    /// Whose it is.
    pub user_id: UserId,
    /// By which push service.
    pub provider: Provider,
    /// What for.
    pub purpose: Purpose,
    /// An endpoint or a token. Whoever knows it can send there, so it is not logged.
    pub text: String,
    /// What it is encrypted with, in browsers.
    pub keys: Option<Keys>,
}

/// A token of Apple's or Google's push service.
pub struct PushToken {
    /// The device that registered it.
    pub device_id: DeviceId,
    /// Whose device it is.
    pub user_id: UserId,
    /// The login that registered it: the token is forgotten with it.
    pub session_id: SessionId,
    /// Whose token it is.
    pub provider: Provider,
    /// What for.
    pub purpose: Purpose,
    /// The token.
    pub text: String,
}

impl PushToken {
    /// Reads a token of Apple's: it goes into a path.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_apns(text: &str) -> Result<String, Violation> {
        let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !APNS_TOKEN_BYTES.contains(&(text.len() / 2)) {
            return Err(Violation("is not 2 to 200 bytes in hexadecimal"));
        }
        Ok(text.to_ascii_lowercase())
    }

    /// Reads a token of Google's.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_fcm(text: &str) -> Result<String, Violation> {
        if text.is_empty() || text.len() > FCM_TOKEN_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Violation("is not 1 to 4096 printable ASCII characters"));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_taken() {
        assert_eq!(PushToken::parse_apns("00FCab"), Ok("00fcab".to_owned()));
        for text in ["", "00", "000", "zz00", "../../3/device", &"00".repeat(201)] {
            assert!(PushToken::parse_apns(text).is_err(), "{text}");
        }
        assert_eq!(PushToken::parse_fcm("a:APA91b_-x"), Ok("a:APA91b_-x".to_owned()));
        for text in ["", "a b", "a\n", "é", &"x".repeat(4_097)] {
            assert!(PushToken::parse_fcm(text).is_err(), "{text}");
        }
    }

    #[test]
    fn providers_survive_the_database() {
        for provider in Provider::ALL {
            assert_eq!(Provider::from_store(provider.as_str()), Some(provider));
        }
        assert_eq!(Provider::from_store("pigeon"), None);
    }
}
