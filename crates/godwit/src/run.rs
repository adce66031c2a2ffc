use std::ffi::OsString;
use std::process::ExitCode;

use clap::Command;
use godwit_runtime::options::OptionGroup;
use godwit_runtime::{CommandLine, Process, fail};

use crate::services;
use crate::target::{TargetOptions, requested};

/// `godwit [--target=…]`: runs services until SIGTERM.
pub(crate) fn main(command: Command, arguments: Vec<OsString>) -> ExitCode {
    match process(command, arguments, std::convert::identity) {
        Ok(process) => process.run(),
        Err(error) => fail(&error),
    }
}

/// The process that the command line asks for, after `adapt` changed the options' defaults.
pub(crate) fn process(
    command: Command,
    arguments: Vec<OsString>,
    adapt: impl FnOnce(Vec<OptionGroup>) -> Vec<OptionGroup>,
) -> anyhow::Result<Process> {
    let targets = requested(&arguments);
    let services = services::of(&targets);
    let mut groups = vec![OptionGroup::of::<TargetOptions>("Which services")];
    groups.extend(Process::option_groups(&services));
    let mut parsed = match CommandLine::new(command, adapt(groups)).parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let name = match services.as_slice() {
        [one] => format!("godwit-{}", one.target),
        _ => "godwit".to_owned(),
    };
    parsed.groups.remove(0);
    Process::new(name, &services, parsed.groups)
}
