//! Accounts, credentials, e-mail codes, sessions and devices.
//!
//! A request goes `grpc` → `app` (one use case a file) → `store`; the rules are in `domain`. Two workers run beside:
//! one sends queued mails, one deletes what has ended.

mod config;
mod error;

mod domain;

mod app;
mod store;

mod clients;

mod events;
mod grpc;
mod mail;
mod workers;

use std::sync::Arc;

use anyhow::Context as _;
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::auth::v1::auth_service_server::AuthServiceServer;
use godwit_contract::auth::v1::directory_internal_service_server::DirectoryInternalServiceServer;
use godwit_contract::auth::v1::relationship_internal_service_server::RelationshipInternalServiceServer;
use godwit_contract::auth::v1::relationship_service_server::RelationshipServiceServer;
use godwit_contract::auth::v1::user_service_server::UserServiceServer;
use godwit_events::outbox::Relay;
use godwit_pg as pg;
use godwit_rpc::Target;
use godwit_runtime::{Diagnosis, Platform, Service};
use tokio::sync::Notify;

use app::{App, Keyring, PasswordPool, SecretKeeper};
use clients::{Chats, Media};
use store::Store;

pub use config::Config;
pub use domain::access;
pub use error::Error;
pub use store::SCHEMA;

/// The auth service.
pub struct Auth;

impl Service for Auth {
    const TARGET: Target = Target::Auth;
    const SCHEMA: Option<&'static pg::Schema> = Some(&SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let pool = platform.database(&SCHEMA)?;
        let store = Store::new(pool.clone());
        let sender = config.sender()?;
        let reset_url = config.reset_url()?;
        let seal = config.seal()?;
        if seal.is_none() {
            tracing::warn!("GODWIT_AUTH_KEY_SECRET is not set: the keys in the database are not encrypted");
        }
        let keeper = SecretKeeper { seal, entropy: Arc::clone(&platform.entropy) };
        let keyring = Keyring::open(store.clone(), keeper, config.key_rule(), &*platform.clock)
            .await
            .context("the keys cannot be read (GODWIT_AUTH_KEY_SECRET, GODWIT_DATABASE_URL)")?;
        let app = Arc::new(App {
            store,
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            live: Arc::clone(&platform.live),
            chats: Chats::new(&platform.directory),
            media: Media::new(&platform.directory),
            passwords: PasswordPool::start(config.passwords(), Arc::clone(&platform.entropy)).await?,
            keyring,
            lifetimes: config.lifetimes(),
            mail_queued: Arc::new(Notify::new()),
        });
        platform.grpc.add(grpc::Gate(AuthServiceServer::new(grpc::Server(Arc::clone(&app)))));
        platform.grpc.add(grpc::Gate(UserServiceServer::new(grpc::Server(Arc::clone(&app)))));
        platform.grpc.add(grpc::Gate(RelationshipServiceServer::new(grpc::Server(Arc::clone(&app)))));
        platform.grpc.add(AuthInternalServiceServer::new(grpc::Server(Arc::clone(&app))));
        platform.grpc.add(DirectoryInternalServiceServer::new(grpc::Server(Arc::clone(&app))));
        platform.grpc.add(RelationshipInternalServiceServer::new(grpc::Server(Arc::clone(&app))));
        let mailer = workers::Mailer::new(Arc::clone(&app), sender, reset_url);
        spawn_workers(platform, app, pool, mailer);
        Ok(())
    }

    async fn diagnose(config: Config) -> Vec<Diagnosis> {
        let result = match config.sender() {
            Ok(sender) => sender.outbound().check().await,
            Err(error) => Err(error),
        };
        let remedy = "set GODWIT_AUTH_SMTP_URL to a mail server that answers, or GODWIT_AUTH_MAIL_DIR to a folder";
        vec![Diagnosis { part: "mail".to_owned(), result, remedy: remedy.to_owned() }]
    }
}

fn spawn_workers(platform: &Platform, app: Arc<App>, pool: pg::Pool, mailer: workers::Mailer) {
    let relay = Relay::new(pool, Arc::clone(&platform.events));
    platform.tasks.spawn("auth.outbox", |stop| async move { Ok(relay.run(stop).await?) });
    platform.tasks.spawn("auth.mailer", |stop| async move {
        mailer.run(stop).await;
        Ok(())
    });
    let teller = Arc::clone(&app);
    platform.tasks.spawn("auth.block_teller", |stop| async move {
        workers::tell_blocks(teller, stop).await;
        Ok(())
    });
    let turner = Arc::clone(&app);
    platform.tasks.spawn("auth.key_turner", |stop| async move {
        workers::turn_keys(turner, stop).await;
        Ok(())
    });
    platform.tasks.spawn("auth.purger", |stop| async move {
        workers::purge_periodically(app, stop).await;
        Ok(())
    });
}
