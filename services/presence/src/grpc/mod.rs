//! The contract: decode, call the use case, encode.

mod foreground;
mod presence;
mod presence_internal;
mod presence_watch;

pub use foreground::ForegroundGrpc;
pub use presence::PresenceGrpc;
pub use presence_internal::PresenceInternalGrpc;
pub use presence_watch::PresenceWatchGrpc;
