//! The replicated call state machine.
fn main() {}
