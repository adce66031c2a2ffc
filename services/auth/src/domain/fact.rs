use godwit_kernel::{DeviceId, SessionId};

use super::User;

/// What happened to an account, for those who listen. Holds no secret.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A session was opened.
    LoggedIn {
        /// Which.
        session_id: SessionId,
        /// On what.
        device_id: DeviceId,
        /// Such as "android".
        platform: String,
        /// The account had no login of this device before.
        is_new_device: bool,
    },
    /// A try at the account failed.
    LoginFailed {
        /// From what.
        device_id: DeviceId,
        /// How.
        outcome: LoginOutcome,
    },
    /// A session is over.
    SessionEnded {
        /// Which.
        session_id: SessionId,
        /// Why.
        cause: SessionEnd,
    },
    /// There is another password.
    PasswordChanged {
        /// What allowed it.
        by: PasswordProof,
    },
    /// Logins ask for a second factor from now on.
    TwoFactorEnabled,
    /// They no longer do.
    TwoFactorDisabled,
    /// A recovery code did its work.
    RecoveryCodeUsed {
        /// How many are left.
        codes_left: u32,
    },
    /// The account is hidden and may come back.
    AccountDeleted,
    /// It came back.
    AccountRestored(User),
    /// It is gone for ever.
    AccountPurged,
}

/// What allowed a change of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProof {
    /// The password before.
    Password,
    /// A mailed token.
    ResetToken,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The user logged out, here or everywhere.
    Logout,
    /// The user ended it from another device.
    Revoked,
    /// The same device logged in again, or too many others did.
    Replaced,
    /// A refresh token was used twice.
    TokenReused,
    /// The password changed.
    PasswordChanged,
    /// The account was deleted.
    AccountDeleted,
}

impl SessionEnd {
    /// As it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::TokenReused => "reused",
            Self::PasswordChanged => "password_changed",
            Self::AccountDeleted => "account_deleted",
        }
    }
}

/// What a try to log in came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// A session was opened.
    Ok,
    /// The password was wrong.
    WrongPassword,
    /// The password was right; a second factor was asked for.
    Challenged,
    /// The second factor was wrong.
    WrongCode,
}

impl LoginOutcome {
    /// As it is stored.
    pub const fn code(self) -> i16 {
        match self {
            Self::Ok => 1,
            Self::WrongPassword => 2,
            Self::Challenged => 3,
            Self::WrongCode => 4,
        }
    }

    /// What [`code`](Self::code) stored; `None` for what no release ever did.
    pub fn stored(code: i16) -> Option<Self> {
        [Self::Ok, Self::WrongPassword, Self::Challenged, Self::WrongCode].into_iter().find(|one| one.code() == code)
    }
}
