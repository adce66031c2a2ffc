use std::sync::Arc;

use godwit_contract::chat::v1::channel_service_server::ChannelServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalServiceServer;
use godwit_contract::chat::v1::chat_service_server::ChatServiceServer;
use godwit_contract::chat::v1::direct_chat_internal_service_server::DirectChatInternalServiceServer;
use godwit_contract::chat::v1::directory_internal_service_server::DirectoryInternalServiceServer;
use godwit_contract::chat::v1::draft_internal_service_server::DraftInternalServiceServer;
use godwit_contract::chat::v1::invite_service_server::InviteServiceServer;
use godwit_contract::chat::v1::listener_internal_service_server::ListenerInternalServiceServer;
use godwit_contract::chat::v1::member_service_server::MemberServiceServer;
use godwit_contract::chat::v1::settings_service_server::SettingsServiceServer;
use godwit_kernel::{Clock, Entropy};
use godwit_live::{Live, Losses};
use godwit_pg as pg;
use godwit_rpc::{AccessChecks, Directory, Target};
use godwit_runtime::{Platform, Service, Tasks};

use crate::app::{App, Turns};
use crate::clients::{Logs, Media, Users};
use crate::config::Config;
use crate::events::incoming::{AccountsHandler, accounts_group};
use crate::events::outgoing;
use crate::grpc::Server;
use crate::{store, workers};

/// The chat service.
pub struct Chat;

impl Service for Chat {
    const TARGET: Target = Target::Chat;
    const SCHEMA: Option<&'static pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let parts = Parts {
            pool: platform.database(&store::SCHEMA)?,
            directory: platform.directory.clone(),
            live: Arc::clone(&platform.live),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            tasks: platform.tasks.clone(),
        };
        let app = parts.launch(&config);
        let (stream, handler) = (Arc::clone(&platform.events), Arc::new(AccountsHandler(Arc::clone(&app))));
        platform.tasks.spawn("chat.accounts", move |stop| async move {
            Ok(stream.consume(accounts_group(), handler, stop).await?)
        });
        let server = Server(app);
        platform.grpc.add(ChatServiceServer::new(server.clone()));
        platform.grpc.add(MemberServiceServer::new(server.clone()));
        platform.grpc.add(ChannelServiceServer::new(server.clone()));
        platform.grpc.add(InviteServiceServer::new(server.clone()));
        platform.grpc.add(SettingsServiceServer::new(server.clone()));
        platform.grpc.add(ListenerInternalServiceServer::new(server.clone()));
        platform.grpc.add(DirectChatInternalServiceServer::new(server.clone()));
        platform.grpc.add(DirectoryInternalServiceServer::new(server.clone()));
        platform.grpc.add(DraftInternalServiceServer::new(server.clone()));
        platform.grpc.add(ChatInternalServiceServer::new(server));
        Ok(())
    }
}

/// What one replica runs on.
pub struct Parts {
    /// The service's database.
    pub pool: pg::Pool,
    /// Where the auth, message and media services are.
    pub directory: Directory,
    /// What may be lost.
    pub live: Arc<dyn Live>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// Where its tasks are started.
    pub tasks: Tasks,
}

impl Parts {
    /// Starts the replica's tasks and returns its use cases.
    pub fn launch(self, config: &Config) -> Arc<App> {
        let Self { pool, directory, live, clock, entropy, tasks } = self;
        let (users, logs, media) = (Users::new(&directory), Logs::new(&directory), Media::new(&directory));
        let access = AccessChecks::new(&directory);
        let turns = Turns::default();
        let losses = Losses::default();
        let app = Arc::new(App { pool, users, access, logs, media, live, losses, clock, entropy, turns });
        let telling = Arc::clone(&app);
        tasks.spawn("chat.tell-losses", move |stop| async move {
            telling.losses.tell(&*telling.live, outgoing::membership_lost(), stop).await;
            Ok(())
        });
        let (worker, every) = (Arc::clone(&app), config.delivery_interval());
        tasks.spawn("chat.deliver-updates", move |stop| workers::deliver_updates(worker, every, stop));
        let worker = Arc::clone(&app);
        tasks.spawn("chat.empty-chats", move |stop| workers::empty_chats(worker, every, stop));
        app
    }
}
