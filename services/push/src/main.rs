//! Web Push subscriptions and deliveries.
fn main() {}
