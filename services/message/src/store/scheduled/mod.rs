//! What people have scheduled: rows until they are due, and marks for a week after.

mod change;
mod due;
mod row;
mod schedule;
mod told;

pub use change::{ChangeOutcome, change_scheduled, delete_scheduled, is_scheduled_sent};
pub use due::{DueMessage, Settled, Tried, claim_due_messages, forget_ended, forget_scheduled_of, settle_scheduled};
pub use schedule::{NewScheduled, ScheduleOutcome, list_scheduled, schedule, scheduled_before};
pub use told::{UntoldChange, change_told, tell_later, untold_changes};
