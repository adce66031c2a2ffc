//! The durable event stream: records in partitions, ordered by key, read by consumer groups, and the outbox that
//! makes a state change and its event commit together.
//!
//! Two adapters run in production: [`kafka`] on clusters and [`postgres`] on one machine. Both pass one conformance
//! suite (`tests/it`). `docs/events.md` is the catalogue of topics.

mod backoff;
mod consumer;
mod delivery;
mod error;
mod log;
mod record;
mod store;
mod trace;

pub mod dead_letter;
pub mod kafka;
pub mod outbox;
pub mod postgres;
pub mod topics;

pub use consumer::{BatchError, BatchHandler, ConsumerGroup};
pub use error::Error;
pub use log::EventLog;
pub use record::{Headers, NewRecord, RECORD_BYTES_MAX, Record};
