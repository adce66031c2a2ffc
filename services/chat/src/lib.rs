//! Chats, their members, and what each may do in them. Every change of a chat's state is also an update of the chat's
//! log, which the message service keeps: it is committed here together with the change, and appended there right
//! after, again and again until it is.
//!
//! Reading order: [`domain`] (what a chat is), [`store`] (all SQL), [`app`] (one file a use case), [`events`] (updates and
//! live payloads as they leave, accounts that are gone), [`grpc`] (the contract), [`clients`] (the auth, message and media
//! services), `workers` (what repeats the appends), `start` (the wiring).

pub mod app;
pub mod clients;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod store;

mod config;
mod error;
mod start;
mod workers;

pub use config::Config;
pub use error::Error;
pub use start::{Chat, Parts};
