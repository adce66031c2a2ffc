//! PostgreSQL for every service: a bounded pool, and migrations of one schema with one login role a service.

mod error;
mod migrate;
mod pool;

pub use diesel_async::AsyncPgConnection as Connection;
pub use error::Error;
pub use migrate::{Schema, migrate};
pub use pool::{Pool, PoolOptions, PooledConnection};
