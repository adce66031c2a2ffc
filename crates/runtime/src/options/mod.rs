//! Options of a process: every one is an environment variable and a flag, read once at start into typed structs.
//!
//! The groups of options (what all processes share, and one group a service) are clap `Args` of their own. They are
//! shown and scanned as one command line, and each then reads its own values, so that two services may both call a
//! field `url`.

mod command_line;
mod common;
pub(crate) mod databases;
mod group;

pub use command_line::{CommandLine, Parsed};
pub use common::{
    CommonOptions, DatabaseOptions, EndpointOptions, EventsAdapter, EventsOptions, GrpcListen, GrpcOptions,
    KafkaOptions, LifecycleOptions, LiveAdapter, LiveOptions, LogFormat, TelemetryOptions,
};
pub use databases::DatabaseUrls;
pub use group::{OptionGroup, OptionInfo};
