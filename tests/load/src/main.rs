//! Load on a running Godwit over WebSockets, and a ledger of its own that knows what became of every message.

mod accounts;
mod calls;
mod catch_up;
mod crowd;
mod fan_out;
mod flood;
mod idle;
mod ledger;
mod mail;
mod many;
mod options;
mod pair;
mod reads;
mod report;
mod run;
mod search;
mod storm;
mod usage;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use crate::options::Scenario;

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
    runtime.block_on(async {
        match &options.scenario {
            None => run::run(&options).await,
            Some(Scenario::Crowd(crowd)) => crowd::run(&options, crowd).await,
            Some(Scenario::CatchUp(catch_up)) => catch_up::run(&options, catch_up).await,
            Some(Scenario::Reads(reads)) => reads::run(&options, reads).await,
            Some(Scenario::Search(search)) => search::run(&options, search).await,
            Some(Scenario::Idle(idle)) => idle::run(&options, idle).await,
            Some(Scenario::FanOut(fan_out)) => fan_out::run(&options, fan_out).await,
            Some(Scenario::Storm(storm)) => storm::run(&options, storm).await,
            Some(Scenario::Calls(calls)) => calls::run(&options, calls).await,
        }
    })
}
