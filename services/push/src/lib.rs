//! Web Push subscriptions and deliveries.
