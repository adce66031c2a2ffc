//! What a message and an update log are, and the rules of appending. Pure.

mod append;
mod batch_plan;
mod content;
mod cursor;
mod epoch;
mod head;
mod message;
mod posting_policy;

pub use append::{Change, Entry, Headers, NewEvent, NewMessage, Outcome, Placed};
pub use batch_plan::{BatchPlan, EarlierResult, plan_batch};
pub use content::{ClientMessageId, ContentHash, MessageText, Violation};
pub use cursor::{AccountCursor, InvalidCursor, Position, Round, StaleCursor};
pub use epoch::Epoch;
pub use head::Head;
pub use message::Message;
pub use posting_policy::{MembershipVersion, PostingPolicy};

use time::Duration;

/// How long after the log's clock was read a batch may become visible: an appender begins the commit at most
/// [`COMMIT_DEADLINE`] later, PostgreSQL gives up a transaction that rests for 10 s, and a commit takes at most as
/// long as a statement, 10 s. What happened this long before an instant is visible at the instant.
pub const COMMIT_MARGIN: Duration = Duration::seconds(30);
/// How long after reading the log's clock an appender may still begin the commit.
pub const COMMIT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// The largest change of an update that another service may have appended, encoded.
pub const CHANGE_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of stored updates, or of message texts, in one answer; one item is always given.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
