//! Accounts, credentials, sessions and devices.
fn main() {}
