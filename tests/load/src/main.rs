//! Load on a running Godwit over WebSockets, and a ledger of its own that knows what became of every message.

mod accounts;
mod flood;
mod ledger;
mod mail;
mod options;
mod pair;
mod report;
mod run;
mod usage;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

/// The generator shares the machine with what it measures: it must cost little.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    let options = options::Options::parse().checked()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
    runtime.block_on(run::run(&options))
}
