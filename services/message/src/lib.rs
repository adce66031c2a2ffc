//! The update log of every chat: numbering, storing, publishing and syncing. Every change of a chat's state is an
//! update with a seq 1, 2, 3 … without gap or repeat; a message is the update that created it.
//!
//! Reading order: [`domain`] (what is appended, and how a batch is numbered), [`store`] (all SQL), [`app`] (one file
//! a use case, over the appenders and the publisher), [`wire`] (messages and updates as the contract has them),
//! [`events`] (updates as they travel), `grpc` (the contract), `clients` (chat, auth and media), `workers` (the sweeper and
//! the cleaner), `start` (the wiring).

pub mod app;
pub mod clients;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod store;
pub mod wire;

mod config;
mod error;
mod start;
mod workers;

pub use config::Config;
pub use error::Error;
pub use start::{Message, Parts};
