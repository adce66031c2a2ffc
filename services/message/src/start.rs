use std::sync::Arc;

use godwit_contract::message::v1::index_internal_service_server::IndexInternalServiceServer;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalServiceServer;
use godwit_contract::message::v1::message_service_server::MessageServiceServer;
use godwit_contract::message::v1::pin_service_server::PinServiceServer;
use godwit_contract::message::v1::reaction_service_server::ReactionServiceServer;
use godwit_contract::message::v1::receipt_service_server::ReceiptServiceServer;
use godwit_contract::message::v1::scheduled_service_server::ScheduledServiceServer;
use godwit_events::EventLog;
use godwit_kernel::{Clock, Entropy};
use godwit_live::Live;
use godwit_pg as pg;
use godwit_rpc::{AccessChecks, Directory, Target};
use godwit_runtime::{Platform, Service, Tasks};
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::app::{
    App, Appenders, COUNTS_MAX, Cleaner, Committing, PageReader, PostingPolicies, Publisher, ReportPublisher, Sweeper,
};
use crate::clients::{Calls, Chats, Media, Users};
use crate::config::Config;
use crate::events::incoming::{AccountsHandler, accounts_group};
use crate::grpc::Server;
use crate::{store, workers};

/// The message service.
pub struct Message;

impl Service for Message {
    const TARGET: Target = Target::Message;
    const SCHEMA: Option<&'static pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let parts = Parts {
            pool: platform.database(&store::SCHEMA)?,
            directory: platform.directory.clone(),
            live: Arc::clone(&platform.live),
            events: Arc::clone(&platform.events),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            pages: config.link_previews.reach().map(PageReader::new).transpose()?,
            tasks: platform.tasks.clone(),
        };
        let app = parts.launch(&config);
        let (stream, handler) = (Arc::clone(&platform.events), Arc::new(AccountsHandler(Arc::clone(&app))));
        platform.tasks.spawn("message.accounts", move |stop| async move {
            Ok(stream.consume(accounts_group(), handler, stop).await?)
        });
        let server = Server(app);
        platform.grpc.add(MessageServiceServer::new(server.clone()));
        platform.grpc.add(ReactionServiceServer::new(server.clone()));
        platform.grpc.add(ReceiptServiceServer::new(server.clone()));
        platform.grpc.add(PinServiceServer::new(server.clone()));
        platform.grpc.add(ScheduledServiceServer::new(server.clone()));
        platform.grpc.add(IndexInternalServiceServer::new(server.clone()));
        platform.grpc.add(MessageInternalServiceServer::new(server));
        Ok(())
    }
}

/// What one replica runs on.
pub struct Parts {
    /// The service's database.
    pub pool: pg::Pool,
    /// Where the other services are.
    pub directory: Directory,
    /// What may be lost.
    pub live: Arc<dyn Live>,
    /// The stream.
    pub events: Arc<dyn EventLog>,
    /// For ids and reports.
    pub clock: Arc<dyn Clock>,
    /// For ids, epochs and the replica's name.
    pub entropy: Arc<dyn Entropy>,
    /// Reads pages behind links; `None`: there are no previews.
    pub pages: Option<PageReader>,
    /// Where its tasks are started.
    pub tasks: Tasks,
}

impl Parts {
    /// Starts the replica's tasks and returns its use cases.
    pub fn launch(self, config: &Config) -> Arc<App> {
        let Self { pool, directory, live, events, clock, entropy, pages, tasks } = self;
        let holder = Uuid::from_bytes(entropy.bytes());
        // Only what publishes holds the publisher, so that it ends after them.
        let (linked, links) = mpsc::channel(LINKS_MAX);
        let linked = pages.is_some().then_some(linked);
        let publisher = Publisher::start(&tasks, pool.clone(), live, Arc::clone(&events), linked);
        let committing = Committing { pool: pool.clone(), entropy: Arc::clone(&entropy), publisher: publisher.clone() };
        let weak_publisher = publisher.downgrade();
        let appenders = Appenders::start(&tasks, &committing, config.appenders());
        let sweeper = Sweeper { pool: pool.clone(), publisher, holder };
        let sweep_interval = config.sweep_interval();
        tasks.spawn("message.sweeper", |stop| workers::sweep_outbox(sweeper, sweep_interval, stop));

        let cleaner = Cleaner::new(pool.clone(), config.log_retention());
        let clean_interval = config.clean_interval();
        tasks.spawn("message.cleaner", move |stop| workers::clean_up(cleaner, clean_interval, stop));

        let (chats, users, media) = (Chats::new(&directory), Users::new(&directory), Media::new(&directory));
        let policies = PostingPolicies::new(config.policy_cache_max, chats.clone());
        let reports = ReportPublisher { pool: pool.clone(), events: Arc::clone(&events) };
        tasks.spawn("message.reports", |stop| workers::publish_reports(reports, stop));
        let app = Arc::new(App {
            pool,
            chats,
            calls: Calls::new(&directory),
            users,
            media,
            access: AccessChecks::new(&directory),
            policies,
            appenders,
            publisher: weak_publisher,
            clock,
            entropy,
            counting: Semaphore::new(COUNTS_MAX),
            cursor_age_max: config.cursor_age_max(),
        });
        let sender = Arc::clone(&app);
        tasks.spawn("message.scheduled", |stop| workers::send_scheduled(sender, stop));
        if let Some(pages) = pages {
            let reader = Arc::clone(&app);
            tasks.spawn("message.preview-links", |stop| workers::preview_links(reader, pages, links, stop));
        }
        app
    }
}

/// Links that wait for their pages.
const LINKS_MAX: usize = 1_000;
