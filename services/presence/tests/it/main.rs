//! Presence as gateways and clients see it, over both adapters of live.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod chats;
mod facts;
mod facts_macro;
mod foreground;
mod grace;
mod switch;
mod watching;
mod world;
