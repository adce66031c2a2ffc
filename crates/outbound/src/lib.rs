//! HTTP to addresses that strangers choose (SSRF): push endpoints, links in messages.
//!
//! Where a request may lead is decided by address (`network`), for names at the moment of each connection (`gate`), so
//! a name that is pointed elsewhere between two looks gains nothing. [`client`] is a `reqwest` client behind that gate,
//! which follows no redirect and knows no proxy; [`Fetcher`] reads a page with it, checks each redirect anew, and ends
//! by time and by bytes.

mod client;
mod fetch;
mod gate;
mod network;

#[cfg(test)]
mod tests;

pub use client::{ClientOptions, client};
pub use fetch::{FetchError, Fetcher, Limits, Page};
pub use gate::{Gate, LookupError};
pub use network::{Reach, is_localhost, is_public};

/// Why there is no client: TLS cannot be set up.
pub use reqwest::Error as SetupError;
