//! The contract: decode, call the use case, encode.

mod call_service;
mod decode;
mod raft_service;

pub use call_service::CallGrpc;
pub use raft_service::RaftGrpc;
