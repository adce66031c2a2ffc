//! Rules and types without IO.

mod endpoint;
mod notification;
mod subscription;
mod tries;

pub use endpoint::Endpoint;
pub use notification::{Content, NewMessage, Notification};
pub use subscription::{Keys, Subscription};
pub use tries::{ATTEMPTS_MAX, Delivery, Verdict, pause_before};

/// What is wrong with a value, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);
