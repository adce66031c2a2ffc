//! Search over messages, people and channels: an index in PostgreSQL, fed by the stream, which tells what may be found.
//! What is shown is asked for at the moment of the question.
//!
//! Reading order: [`domain`] (what is indexed and asked), [`app`] (one file a use case), [`store`] (the index),
//! [`wire`] (what the contract's messages mean for it), [`events`] (the stream), [`workers`] (builds),
//! `grpc` (the contract).

pub mod app;
pub mod clients;
pub mod domain;
pub mod events;
pub mod store;
pub mod wire;
pub mod workers;

mod config;
mod error;
mod grpc;

pub use config::Config;
pub use error::Error;
pub use grpc::SearchGrpc;

use std::sync::Arc;

use godwit_contract::search::v1::search_service_server::SearchServiceServer;
use godwit_rpc::{AccessChecks, Target};
use godwit_runtime::{Platform, Service};

use crate::app::App;
use crate::clients::{Chats, Logs, People};
use crate::domain::BuildOrder;
use crate::events::incoming::{IndexHandler, index_group};
use crate::events::people::{PeopleHandler, people_group};

/// The search service.
pub struct Search;

impl Service for Search {
    const TARGET: Target = Target::Search;
    const SCHEMA: Option<&'static godwit_pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let app = Arc::new(App {
            pool: platform.database(&store::SCHEMA)?,
            chats: Chats::new(&platform.directory),
            logs: Logs::new(&platform.directory),
            people: People::new(&platform.directory),
            access: AccessChecks::new(&platform.directory),
            clock: Arc::clone(&platform.clock),
        });
        let order = BuildOrder { label: config.build_label(), ordered_at: platform.clock.now() };
        let builder = Arc::clone(&app);
        platform.tasks.spawn("search.build-index", |stop| workers::build_index(builder, order, stop));
        let (stream, handler) = (Arc::clone(&platform.events), Arc::new(PeopleHandler(Arc::clone(&app))));
        platform.tasks.spawn("search.keep-people", move |stop| async move {
            Ok(stream.consume(people_group(), handler, stop).await?)
        });
        let (stream, handler) = (Arc::clone(&platform.events), Arc::new(IndexHandler(Arc::clone(&app))));
        platform.tasks.spawn("search.apply_changes", move |stop| async move {
            Ok(stream.consume(index_group(config.batch_size), handler, stop).await?)
        });
        platform.grpc.add(SearchServiceServer::new(SearchGrpc::new(app)));
        Ok(())
    }
}
