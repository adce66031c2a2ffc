use godwit_kernel::{EventId, UserId};
use time::{Duration, OffsetDateTime};

use super::{Device, LoginOutcome};

/// How long tries to log in are kept.
pub const LOGIN_HISTORY: Duration = Duration::days(90);

/// One try to log in at an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRecord {
    /// Sorts by the time it was made.
    pub id: EventId,
    /// At whose account.
    pub user_id: UserId,
    /// When.
    pub at: OffsetDateTime,
    /// What came of it.
    pub outcome: LoginOutcome,
    /// From what.
    pub device: Device,
    /// From where, as text; `None` when it is not known.
    pub address: Option<String>,
}

/// A right password that waits for its second factor.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Of the token that the client holds.
    pub token_hash: [u8; 32],
    /// Whose.
    pub user_id: UserId,
    /// What logged in; nothing else may complete it.
    pub device: Device,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

impl Challenge {
    /// How long a person has.
    pub const LIFE: Duration = Duration::minutes(5);
    /// How many wrong codes one survives.
    pub const TRIES: i32 = 5;
}
