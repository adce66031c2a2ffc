//! Calls: a small state machine that must make each transition once although many devices answer at once and replicas
//! die. It is replicated by a Raft group of this service's replicas; what is over goes to the history in PostgreSQL
//! and to the stream.
//!
//! Reading order: [`domain`] (the machine, pure), [`raft`] (its replication), [`app`] (one file a use case), [`store`]
//! (the history), `grpc` (the contract and the replicas' own service), `workers` (timers, recording).

pub mod app;
pub mod clients;
pub mod domain;
pub mod raft;
pub mod store;
pub mod turn;
pub mod workers;

mod config;
mod error;
mod events;
mod grpc;
mod member;

pub use config::Config;
pub use error::Error;
pub use grpc::{CallGrpc, CallInternalGrpc, CallRelayGrpc, Leader, RaftGrpc};
pub use member::{InvalidMember, Member};

use std::sync::Arc;

use anyhow::Context as _;
use godwit_contract::call::v1::call_internal_service_server::CallInternalServiceServer;
use godwit_contract::call::v1::call_relay_service_server::CallRelayServiceServer;
use godwit_contract::call::v1::call_service_server::CallServiceServer;
use godwit_contract::call::v1::raft_service_server::RaftServiceServer;
use godwit_events::outbox::Relay;
use godwit_rpc::{AccessChecks, Target};
use godwit_runtime::{Platform, Service, Weight};
use tokio::sync::Notify;

use crate::app::{App, FrameOrder, Silences};
use crate::clients::{Alerts, Chats, Logs};
use crate::events::incoming::{SecurityHandler, security_group};
use crate::raft::Node;

/// The call-signaling service.
pub struct CallSignaling;

impl Service for CallSignaling {
    const TARGET: Target = Target::Call;
    const SCHEMA: Option<&'static godwit_pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let node = Node::start(config.node_options()?, platform.directory.clone())
            .await
            .with_context(|| format!("GODWIT_CALL_DATA_DIR {}: the replica cannot start", config.data_dir.display()))?;
        let pool = platform.database(&store::SCHEMA)?;
        let relay = Relay::new(pool.clone(), Arc::clone(&platform.events));
        let app = Arc::new(App {
            node: node.clone(),
            pool,
            chats: Chats::new(&platform.directory),
            logs: Logs::new(platform.directory.clone()),
            access: AccessChecks::new(&platform.directory),
            alerts: Alerts::new(&platform.directory),
            turn: config.turn()?,
            live: Arc::clone(&platform.live),
            frames: FrameOrder::default(),
            silences: Silences::default(),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            relay: relay.waker(),
            finished: Notify::new(),
        });
        watch_leader(platform, &node);
        let (timing, recording, watching, probing) = (app.clone(), app.clone(), app.clone(), app.clone());
        platform.tasks.spawn("call.watch_replica", |stop| workers::watch_replica(watching, stop));
        platform.tasks.spawn("call.time_calls", |stop| workers::time_calls(timing, stop));
        platform.tasks.spawn("call.record_finished", |stop| workers::record_finished(recording, stop));
        platform.tasks.spawn("call.probe_devices", |stop| workers::probe_devices(probing, stop));
        let (stream, handler) =
            (Arc::clone(&platform.events), Arc::new(SecurityHandler::new(platform.directory.clone())));
        platform
            .tasks
            .spawn("call.security", |stop| async move { Ok(stream.consume(security_group(), handler, stop).await?) });
        platform.tasks.spawn("call.relay_outbox", |stop| async move { Ok(relay.run(stop).await?) });
        let leader = Leader::new(node.clone(), platform.directory.clone());
        platform.grpc.add(CallInternalServiceServer::new(CallInternalGrpc::new(Arc::clone(&app), leader.clone())));
        platform.grpc.add(CallRelayServiceServer::new(CallRelayGrpc::new(Arc::clone(&app), leader.clone())));
        platform.grpc.add(CallServiceServer::new(CallGrpc::new(app, leader.clone())));
        platform.grpc.add(RaftServiceServer::new(RaftGrpc::new(node, leader)));
        Ok(())
    }
}

/// Without a leader no call can be made; everything else of the process goes on.
fn watch_leader(platform: &Platform, node: &Node) {
    let node = node.clone();
    platform.health.register("call-raft", Weight::Degrades, move || {
        let has_leader = node.has_leader();
        async move {
            anyhow::ensure!(has_leader, "no replica leads the call group");
            Ok(())
        }
    });
}
