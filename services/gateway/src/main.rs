//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    godwit_runtime::main::<godwit_gateway::Gateway>()
}
