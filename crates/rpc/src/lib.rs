//! What every internal gRPC call shares: how errors travel, who the caller is, where a target lives, and what happens
//! around each call on both sides (deadline, trace, metrics, shedding).
//!
//! A service's errors implement [`ServiceError`]; [`to_status`] is the only way to a gRPC status and
//! [`Failure`] the only way from one to HTTP. Clients are made over a [`Channel`] of the [`Directory`]; servers stand
//! behind a [`ServerLayer`].

mod error;
mod failure;
mod time;

mod access;
mod caller;
mod edge;
mod target;

mod call;
mod deadline;
mod observed;
mod trace;

mod channel;
mod directory;
mod local;
mod replicas;
mod retry;
mod server;

pub use access::{Access, AccessChecks};
pub use caller::Caller;
pub use channel::Channel;
pub use directory::{Directory, InvalidEndpoint};
pub use edge::{EdgeRequest, client_address, idempotency_key, is_client_id};
pub use error::{FieldViolation, InvalidField, ServiceError, parse_id, to_status};
pub use failure::Failure;
pub use local::LocalRoutes;
pub use retry::{RetryBudget, retry_idempotent};
pub use server::{ServerCall, ServerLayer, ServerOptions};
pub use target::Target;
pub use time::{instant, timestamp};
