//! WebSockets: one socket is a [`connection`] with its [`outbox`]; the [`hub`] knows all of them and what they follow.

mod actions;
mod connection;
mod ended_sessions;
mod frames;
mod handshake;
mod outbox;
mod requests;

mod feeds;
mod hub;
mod interest;
mod socket;

mod live;
mod presence;
mod upkeep;

pub use handshake::configure;
pub use hub::Hub;
pub use live::start;
