//! Rules and types without IO.

mod address;
mod breaker;
mod case;
mod endpoint;
mod letter;
mod notification;
mod read_up_to;
mod settings;
mod subscription;
mod tries;

pub use address::{Address, Provider, Purpose, PushToken};
pub use breaker::{Admission, Breaker};
pub use case::{Case, ChatFacts, Listener, Silence};
pub use endpoint::Endpoint;
pub use letter::{CallOver, CallRinging, ChatRead, DELETED_SEQS_MAX, Letter, MessagesDeleted};
pub use notification::{Action, Content, NewMessage, Notification};
pub use read_up_to::ReadUpTo;
pub use settings::{NotificationSettings, Preview};
pub use subscription::{Keys, Subscription};
pub use tries::{ATTEMPTS_MAX, Delivery, Scope, Verdict, pause_before};

#[cfg(test)]
pub use notification::longest_notification;

/// What is wrong with a value, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);
