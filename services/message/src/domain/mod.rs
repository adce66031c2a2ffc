//! What a message and an update log are, and the rules of appending. Pure.

mod append;
mod content;
mod cursor;
mod entity;
mod epoch;
mod extras;
mod forward;
mod head;
pub mod limits;
mod listed_message;
mod log_clock;
mod message;
mod participant;
mod plan;
mod posting_policy;
mod preview;
mod reaction;
mod report;
mod scheduled;
mod stored_update;

pub use append::{
    Act, Action, Change, Entry, Headers, Membership, NewEdit, NewEvent, NewMessage, NewPreview, Outcome, Placed,
    ReceiptAudience, Refusal, own_log,
};
pub use content::{Chosen, ClientMessageId, ContentHash, MessageText, Violation};
pub use cursor::{AccountCursor, CURSOR_AGE_MAX, InvalidCursor, Position, Round, StaleCursor};
pub use entity::{Entity, EntityKind, NamedMention, check_entities, find_mentions};
pub use epoch::Epoch;
pub use extras::{Attachment, AttachmentKind, AttachmentLook, Extras, ForwardOrigin, LinkPreview, Reply};
pub use forward::{ClientForwardId, FORWARD_BYTES_MAX, FORWARD_TARGETS_MAX, FORWARDED_MAX, Forward, Source};
pub use head::Head;
pub use listed_message::ListedMessage;
pub use log_clock::LogClock;
pub use message::{Direction, Edit, Message, Version};
pub use participant::{Cursors, Participant};
pub use plan::{BatchPlan, Body, Changes, EarlierResult, Known, Pin, Planned, ReactionChange, VersionRow, plan_batch};
pub use posting_policy::{ChatKind, MembershipVersion, Posting, PostingPolicy, Right, Rights};
pub use preview::{first_link, read_page};
pub use reaction::{Emoji, ReactionCount, TooManyKinds, recount};
pub use report::{ReportComment, ReportReason};
pub use scheduled::{Attempt, SCHEDULED_MAX, Scheduled, ScheduledContent, ScheduledId, check_send_at};
pub use stored_update::StoredUpdate;

use time::Duration;

/// What occurred this long before an instant is visible at the instant, whatever else is known. An update becomes visible
/// later than the time it carries: an appender sends the commit at most [`COMMIT_DEADLINE`] after it read the log's clock,
/// PostgreSQL gives up a transaction that rests for 10 s on the way there, and 15 s are left for the commit. A commit that
/// takes even longer (a disk that hangs) can be missed by an account's sync; the chat's next update then shows the gap.
pub const COMMIT_MARGIN: Duration = Duration::seconds(30);
/// No update may be dated so long before the transaction began that appends it. An appender that takes the log's clock
/// from its own may be wrong by 1 s at most; the other is for a clock that is set back, as by a leap second.
pub const CLOCK_MARGIN: Duration = Duration::seconds(2);
/// How long after reading the log's clock an appender may still begin the commit.
pub const COMMIT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// The largest change of an update that another service may have appended, encoded: 20 folders of 200 chats fit.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of stored updates, or of message texts, in one answer; one item is always given.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most stored bytes of an answer to who was away for a moment only.
pub const RESUME_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;
/// How old the cursor of who was away for a moment may be: two minutes away, and what clients let pass between two syncs.
pub const RESUME_WITHIN: Duration = Duration::minutes(5);
