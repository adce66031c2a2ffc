//! Who is online where.
fn main() {}
