//! What people have scheduled: rows until they are due, and marks for a week after.

mod change;
mod due;
mod row;
mod schedule;
mod told;

pub use change::{ChangeOutcome, change_scheduled, delete_scheduled, is_scheduled_sent};
pub use due::{DueMessage, Settled, claim_due_messages, forget_ended, settle_scheduled};
pub use schedule::{NewScheduled, ScheduleOutcome, list_scheduled, schedule};
pub use told::{UntoldChange, change_told, tell_later, untold_changes};
