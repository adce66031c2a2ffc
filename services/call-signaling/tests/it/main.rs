//! The call machine as clients see it: replicated, on disk, recorded.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod replica;
