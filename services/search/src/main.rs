//! Message index fed by the stream.
fn main() {}
