//! The rules of accounts, codes, throttles and tokens: pure, with time and randomness passed in.

mod access_token;
mod account;
mod device;
mod email_code;
mod login_throttle;
mod pepper;
mod refresh_token;
mod seal;
mod session;

pub use access_token::{AccessClaims, SigningKey, TokenError, TokenKey};
pub use account::{DisplayName, Email, Password, Registration, User, Username};
pub use device::Device;
pub use email_code::{AskRefusal, Code, CodeCheck, EmailCode};
pub use login_throttle::{Login, LoginThrottle};
pub use pepper::Pepper;
pub use refresh_token::RefreshToken;
pub use seal::{Seal, SealError};
pub use session::{RefreshClaim, Revocation, Session};

/// Why a text is not a valid field; fit to be shown to the person who typed it.
pub type Problem = &'static str;
