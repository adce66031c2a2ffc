//! The one binary of Godwit, which alone knows every service.
//!
//! Reading order: [`services`] (the table of them), `cli` (which command), then one room a command: `run`, `dev`,
//! `migrate`, `doctor`, `call_members`, `s3`, [`config`].

pub mod config;
pub mod services;

mod call_members;
mod cli;
mod dev;
mod doctor;
mod early;
mod migrate;
mod run;
mod s3;
mod target;
mod terminal;

pub use cli::main;
