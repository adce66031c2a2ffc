//! Who may import whom (docs/ARCHITECTURE.md), between crates and between the rooms of a service.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crates;
mod paths;
mod rooms;
