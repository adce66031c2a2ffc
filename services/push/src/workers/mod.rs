//! What the service does by itself.

mod expire_notifications;
mod follow_revocations;
mod send_due;

pub use expire_notifications::expire_notifications;
pub use follow_revocations::follow_revocations;
pub use send_due::send_due;
