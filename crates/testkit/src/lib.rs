//! What tests share: real servers by their environment variables, a database a test, a clock and randomness that
//! repeat, waiting for a condition, received mail, and clusters of real processes. A dev-dependency only.
//!
//! A test that needs a server and does not find its variable panics with the variable's name; nothing is skipped.
//! `make test` sets them all; `eval "$(scripts/stack env)"` does in a shell.

mod clock;
mod cluster;
mod database;
mod entropy;
mod http;
mod mail;
mod naming;
mod process;
mod wait;

pub mod env;

pub use clock::TestClock;
pub use cluster::{ClusterOptions, Place, Shape, TestCluster};
pub use database::{ROLE_PASSWORD, TestDb};
pub use entropy::TestEntropy;
pub use http::http_client;
pub use mail::{Mail, Mailbox};
pub use naming::unique;
pub use wait::{Probe, eventually};
