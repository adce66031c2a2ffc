//! WebSockets: one socket is a [`connection`] with its [`outbox`]; the [`hub`] knows all of them and what they follow.

mod actions;
mod admission;
mod connection;
mod drain;
mod ended_sessions;
mod frames;
mod handshake;
mod inbound;
mod incoming;
mod outbox;
mod outgoing;
mod requests;
mod writer;

mod feeds;
mod hub;
mod interest;
mod socket;

mod live;
mod presence;
mod upkeep;

pub use admission::Admission;
pub use drain::drain;
pub use handshake::{configure, upgrade};
pub use hub::Hub;
pub use live::start;
