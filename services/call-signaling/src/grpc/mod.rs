//! The contract: decode, call the use case, encode.

mod call_internal_service;
mod call_relay;
mod call_service;
mod decode;
mod encode;
mod leader;
mod raft_service;

pub use call_internal_service::CallInternalGrpc;
pub use call_relay::CallRelayGrpc;
pub use call_service::CallGrpc;
pub use leader::Leader;
pub use raft_service::RaftGrpc;
