//! The edge, with stand-ins for the services behind it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod stage;

mod http_answers;
mod http_identity;
mod http_limits;
mod http_pages;
mod http_uploads;

mod socket_clients;
mod socket_closes;
mod socket_events;
mod socket_frames;
mod socket_hostile;
mod socket_identity;
mod socket_notices;
mod socket_presence;
