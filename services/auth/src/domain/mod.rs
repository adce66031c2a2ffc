//! The rules of accounts, credentials, throttles and tokens: pure, with time and randomness passed in.

pub mod access;

mod access_token;
mod account;
mod client_address;
mod device;
mod email_code;
mod fact;
mod key_schedule;
mod login_record;
mod login_throttle;
mod opaque_token;
mod password_policy;
mod password_reset;
mod people_cursor;
mod pepper;
mod privacy;
mod profile;
mod qr_code;
mod recovery_code;
mod refresh_token;
mod relationship;
mod seal;
mod session;
mod totp;
mod username;

pub use access_token::{AccessClaims, SigningKey, TokenError, TokenKey};
pub use account::{Bio, DisplayName, Email, Password, Registration, User};
pub use client_address::ClientAddress;
pub use device::Device;
pub use email_code::{AskRefusal, Code, CodeCheck, EmailCode};
pub use fact::{Fact, LoginOutcome, PasswordProof, SessionEnd};
pub use key_schedule::{KeyPlan, KeyRule, KeyTimes};
pub use login_record::{Challenge, LOGIN_HISTORY, LoginRecord};
pub use login_throttle::{Login, LoginThrottle, ThrottleRule, own_password_key, second_factor_key};
pub use opaque_token::OpaqueToken;
pub use password_policy::{Names, WeakPassword};
pub use password_reset::{PasswordReset, RESET_TOKEN_LIFE, ResetClaim};
pub use people_cursor::{InvalidPeopleCursor, PeopleCursor, PeopleList};
pub use pepper::Pepper;
pub use privacy::{Audience, Privacy, PrivacyChanges, Setting};
pub use profile::{Acquaintance, Person};
pub use qr_code::{QrCode, QrError};
pub use recovery_code::{RecoveryCode, SecondFactor};
pub use refresh_token::RefreshToken;
pub use relationship::{Blocks, Bond, Change, Pair, Relationship, Side, Step};
pub use seal::{Seal, SealError};
pub use session::{EndedSession, RefreshClaim, Revocation, Session};
pub use totp::{TotpCode, TotpSecret};
pub use username::Username;

/// Why a text is not a valid field; fit to be shown to the person who typed it.
pub type Problem = &'static str;
