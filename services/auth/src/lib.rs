//! Accounts, credentials, sessions and devices.
