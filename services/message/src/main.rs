//! The update log of every chat.
fn main() {}
