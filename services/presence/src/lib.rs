//! Who is online where, and when the others last were. Gateway nodes hold leases and report which users come and go;
//! what they report is kept in live and may be lost: the nodes then tell it again. Only the last time that a person
//! was online is kept in PostgreSQL.
//!
//! Reading order: [`domain`] (what presence is), [`roster`] (who is where, in live), [`app`] (one file a use case),
//! [`store`] (the `last_seen` table), [`clients`] (chat and auth), [`events`] (what is told on live), [`grpc`] (the
//! contract), [`workers`] (leases that end, and telling others).

pub mod app;
pub mod clients;
pub mod domain;
pub mod events;
pub mod grpc;
pub mod roster;
pub mod store;
pub mod workers;

mod config;
mod error;

pub use config::Config;
pub use error::Error;

use std::sync::Arc;

use godwit_contract::presence::v1::foreground_internal_service_server::ForegroundInternalServiceServer;
use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalServiceServer;
use godwit_contract::presence::v1::presence_service_server::PresenceServiceServer;
use godwit_contract::presence::v1::presence_watch_service_server::PresenceWatchServiceServer;
use godwit_rpc::{AccessChecks, Target};
use godwit_runtime::{Platform, Service};
use tokio::sync::Notify;

use crate::app::{Announcements, App};
use crate::clients::{Chats, Friends};
use crate::roster::Roster;

/// The presence service.
pub struct Presence;

impl Service for Presence {
    const TARGET: Target = Target::Presence;
    const SCHEMA: Option<&'static godwit_pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let app = Arc::new(App {
            pool: platform.database(&store::SCHEMA)?,
            live: Arc::clone(&platform.live),
            roster: Roster::new(Arc::clone(&platform.live), config.lease()),
            chats: Chats::new(&platform.directory),
            friends: Friends::new(&platform.directory),
            grace: config.grace(),
            access: AccessChecks::new(&platform.directory),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            announcements: Announcements::default(),
            lease_ended: Notify::new(),
        });
        let (ending, announcing) = (Arc::clone(&app), Arc::clone(&app));
        platform.tasks.spawn("presence.end_leases", |stop| workers::end_leases(ending, stop));
        platform.tasks.spawn("presence.announce", |stop| workers::announce(announcing, stop));
        platform.grpc.add(PresenceServiceServer::new(grpc::PresenceGrpc::new(Arc::clone(&app))));
        platform.grpc.add(PresenceWatchServiceServer::new(grpc::PresenceWatchGrpc::new(Arc::clone(&app))));
        platform.grpc.add(ForegroundInternalServiceServer::new(grpc::ForegroundGrpc::new(Arc::clone(&app))));
        platform.grpc.add(PresenceInternalServiceServer::new(grpc::PresenceInternalGrpc::new(app)));
        Ok(())
    }
}
