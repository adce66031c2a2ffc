//! What may be lost: routing channels, keys that end, token buckets. Nothing here is ever the truth.
//!
//! Two adapters run in production: [`redis`] on clusters and [`memory`] in one process. Both pass one conformance
//! suite (`tests/it`).

mod bucket;
mod channel;
mod error;
mod losses;
mod meters;
mod outlet;
mod port;

pub mod memory;
pub mod redis;

pub use channel::{Channel, InvalidChannel};
pub use error::Error;
pub use losses::Losses;
pub use port::{Delivery, Live, Subscription, TokenBucket, TokenDecision};
