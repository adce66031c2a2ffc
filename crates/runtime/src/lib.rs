//! What every Godwit process has in common: options read from the environment, logs, traces and metrics, supervised
//! tasks, health, the internal gRPC listener, and an orderly start and end. A service implements [`Service`]; its
//! binary calls [`main`].

mod admin;
mod allocator;
mod grpc;
mod health;
mod lifecycle;
mod meters;
mod platform;
mod process;
mod secret;
mod service;
mod tasks;
mod telemetry;

pub mod options;

pub use grpc::{GrpcRoutes, directory_of_none, open_directory};
pub use health::{Health, Weight};
pub use options::CommandLine;
pub use platform::{Platform, schema_url};
pub use process::{Process, block_on, fail, main};
pub use secret::Secret;
pub use service::{Diagnosis, Service, ServiceEntry};
pub use tasks::{Stage, TaskFailure, Tasks};
