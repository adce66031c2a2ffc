//! The REST routes, by the service that answers them. Each method is one call; its errors are those of [`Error`].
//!
//! [`Error`]: crate::Error

mod auth;
mod calls;
mod channels;
mod chats;
mod invites;
mod media;
mod members;
mod messages;
mod pins;
mod presence;
mod push;
mod reactions;
mod receipts;
mod relationships;
mod scheduled;
mod search;
mod settings;
mod users;
