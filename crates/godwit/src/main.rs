//! The one binary: every service in one process, or some of them, and the tools around them.

use std::process::ExitCode;

fn main() -> ExitCode {
    godwit::main()
}
