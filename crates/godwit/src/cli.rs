use std::ffi::OsString;
use std::process::ExitCode;

use clap::Command;

use crate::{call_members, config, dev, doctor, migrate, run, s3, terminal};

const COMMANDS: &str = "Commands (instead of running services):
  migrate       Make the database's roles and schemas, and run the migrations that have not been run
  doctor        Check every configured part, and say what to do about those that fail
  dev           Migrate, then run everything in one process with embedded parts, for one machine
  call-members  Print which replicas the call group has, or say which it is to have
  s3            Serve a folder by the S3 protocol, for one machine
  config        Print the documentation of all options

`godwit <command> --help` lists a command's options.";

/// What the `godwit` binary does.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let command = arguments.get(1).and_then(|argument| argument.to_str()).unwrap_or_default().to_owned();
    let tool = match command.as_str() {
        "migrate" => migrate::main,
        "doctor" => doctor::main,
        "dev" => dev::main,
        "call-members" => call_members::main,
        "s3" => s3::main,
        "config" => config::main,
        _ => return run::main(command_named("godwit", "The Godwit messenger").after_help(COMMANDS), arguments),
    };
    arguments.remove(1);
    tool(arguments)
}

/// A command as clap sees it.
pub(crate) fn command_named(name: &'static str, about: &'static str) -> Command {
    Command::new(name).version(env!("CARGO_PKG_VERSION")).about(about)
}

/// Prints a line on stdout, for tools that only print.
pub(crate) fn answer(text: &str) -> ExitCode {
    terminal::print(text);
    ExitCode::SUCCESS
}
