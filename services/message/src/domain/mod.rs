//! What a message and an update log are, and the rules of appending. Pure.

mod append;
mod batch_plan;
mod content;
mod cursor;
mod epoch;
mod head;
mod message;
mod posting_policy;
mod stored_update;

pub use append::{Change, Entry, Headers, NewEvent, NewMessage, Outcome, Placed};
pub use batch_plan::{BatchPlan, EarlierResult, plan_batch};
pub use content::{ClientMessageId, ContentHash, MessageText, Violation};
pub use cursor::{AccountCursor, InvalidCursor, Position, Round, StaleCursor};
pub use epoch::Epoch;
pub use head::Head;
pub use message::{Direction, Message};
pub use posting_policy::{MembershipVersion, Posting, PostingPolicy};
pub use stored_update::StoredUpdate;

use time::Duration;

/// What occurred this long before an instant is visible at the instant. An update becomes visible later than the time
/// it carries: an appender sends the commit at most [`COMMIT_DEADLINE`] after it read the log's clock, PostgreSQL
/// gives up a transaction that rests for 10 s on the way there, and 15 s are left for the commit. A commit that takes
/// even longer (a disk that hangs) can be missed by an account's sync; the chat's next update then shows the gap.
pub const COMMIT_MARGIN: Duration = Duration::seconds(30);
/// How long after reading the log's clock an appender may still begin the commit.
pub const COMMIT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// The largest change of an update that another service may have appended, encoded.
pub const CHANGE_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of stored updates, or of message texts, in one answer; one item is always given.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
