//! What presence is, without IO.

mod lease;
mod presence;
mod report;

pub use lease::{InvalidLease, Lease};
pub use presence::{Activity, Presence, Reading};
pub use report::{Intent, REPORT_DEVICES_MAX, REPORT_USERS_MAX, Report};
