//! PostgreSQL for every service: a bounded pool of connections, and migrations with one schema and one login role
//! a service, so that no service can reach another's tables.
//!
//! ```no_run
//! # async fn example(schema: &godwit_pg::Schema) -> Result<(), godwit_pg::Error> {
//! let url = godwit_pg::role_url("postgres://db.example/godwit?sslmode=verify-full", schema, "the roles' password")?;
//! let pool = godwit_pg::Pool::connect(&url, godwit_pg::PoolOptions::default())?;
//! let mut conn = pool.get().await?;
//! diesel_async::AsyncConnection::transaction(&mut *conn, async |_conn| Ok::<_, godwit_pg::Error>(())).await
//! # }
//! ```

mod connect;
mod error;
mod migrate;
mod pool;
mod prepared;
mod roles;
mod tls;
mod url;

pub use diesel_async::AsyncPgConnection as Connection;
pub use error::Error;
pub use migrate::{Schema, migrate, pending_migrations};
pub use pool::{Pool, PoolOptions, PooledConnection};
pub use prepared::Prepared;
pub use url::role_url;
