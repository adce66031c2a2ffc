//! The edge to clients: REST over HTTP, and WebSockets. It owns nothing durable: it knows who a client is, what they
//! may send and how much, and passes the rest on by gRPC.
//!
//! A REST request goes through [`http`] to the transcoder, which the contract generates; a socket lives in [`ws`] and
//! gets what the live channels bring.

mod config;
mod error;

mod clients;
mod descriptors;
mod edge;
mod identity;
mod limits;

mod http;
mod ws;

use std::net::SocketAddr;
use std::sync::Arc;

use godwit_rpc::Target;
use godwit_runtime::{Platform, Service, Stage};

pub use config::Config;
pub use edge::Foundation;
pub use error::Error;

/// The gateway.
pub struct Gateway;

impl Service for Gateway {
    const TARGET: Target = Target::Gateway;
    const SCHEMA: Option<&'static godwit_pg::Schema> = None;
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let foundation = Foundation {
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            tasks: platform.tasks.clone(),
            directory: platform.directory.clone(),
            live: Arc::clone(&platform.live),
            health: platform.health.clone(),
        };
        let config = Config { max_sockets: descriptors::make_room_for(config.max_sockets), ..config };
        start(foundation, config).await?;
        Ok(())
    }
}

/// Starts a gateway on `foundation`, and tells where it listens.
///
/// # Errors
/// When the configuration cannot work, the address is taken, or the live channels cannot be listened to.
pub async fn start(foundation: Foundation, config: Config) -> anyhow::Result<SocketAddr> {
    config.validate()?;
    let listener = http::Listener::bind(config.listen)?;
    let address = listener.address()?;
    let edge = Arc::new(edge::Edge::new(config, &foundation));
    ws::start(&foundation, &edge).await?;
    foundation.tasks.spawn_in(Stage::Edge, "gateway.http", |stop| http::serve(listener, edge, stop));
    tracing::info!(%address, "the gateway listens");
    Ok(address)
}
