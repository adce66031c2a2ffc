//! Rules and types without IO.

mod endpoint;
mod network;
mod notification;
mod subscription;
mod tries;

pub use endpoint::{Endpoint, Reach};
pub use network::is_public;
pub use notification::{NewMessage, Notification};
pub use subscription::{Keys, Subscription};
pub use tries::{ATTEMPTS_MAX, Delivery, Verdict, pause_before};

/// What is wrong with a value, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);
