//! The REST routes, by the service that answers them. Each method is one call; its errors are those of [`Error`].
//!
//! [`Error`]: crate::Error

mod auth;
mod calls;
mod chats;
mod media;
mod messages;
mod presence;
mod push;
mod relationships;
mod search;
mod users;
