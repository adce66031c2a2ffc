//! The push service on its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    godwit_runtime::main::<godwit_push::Push>()
}
