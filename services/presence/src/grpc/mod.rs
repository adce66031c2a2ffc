//! The contract: decode, call the use case, encode.

mod presence;
mod presence_internal;

pub use presence::PresenceGrpc;
pub use presence_internal::PresenceInternalGrpc;
