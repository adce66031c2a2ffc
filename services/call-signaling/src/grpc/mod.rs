//! The contract: decode, call the use case, encode.

mod call_service;
mod encode;
mod raft_service;

pub use call_service::CallGrpc;
pub(crate) use encode::encode_call;
pub use raft_service::RaftGrpc;
