use std::fmt::Display;
use std::io::Write;

/// Prints a line on stdout. A reader that has gone away is no reason to fail.
pub(crate) fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
