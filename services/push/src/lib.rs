//! Notifications to devices that are not looking, by browsers', Apple's and Google's push services.
//!
//! A message comes from the stream (`events`) and is noted; its recipients are found page by page, and each of their
//! devices gets a delivery ([`app`]). A worker a push service sends those that are due (`workers`, [`push_service`]) and
//! keeps how it ended ([`store`]). What devices are told besides, such as a call that rings, are cues, which go
//! beside. The rules are in [`domain`], the contract in `grpc`.

pub mod app;
pub mod clients;
pub mod domain;
pub mod push_service;
pub mod store;

mod config;
mod error;
mod events;
mod grpc;
mod workers;

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_contract::push::v1::call_alert_internal_service_server::CallAlertInternalServiceServer;
use godwit_contract::push::v1::push_service_server::PushServiceServer;
use godwit_events::{ConsumerGroup, topics};
use godwit_pg as pg;
use godwit_rpc::Target;
use godwit_runtime::{Platform, Service};
use time::Duration;
use tokio::sync::OnceCell;

use crate::app::{App, Bells};
use crate::clients::Peers;
use crate::domain::Provider;
use crate::push_service::{PushServices, VapidKey, WebPush};

pub use config::Config;
pub use error::Error;

/// The most updates taken from the stream at once.
const UPDATES_BATCH: usize = 200;
/// How much longer than a try a claim lasts, for what is kept after it.
const CLAIM_SLACK: Duration = Duration::seconds(20);

/// The push service.
pub struct Push;

impl Service for Push {
    const TARGET: Target = Target::Push;
    const SCHEMA: Option<&'static pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let vapid = Arc::new(OnceCell::new_with(configured_key(&config)?));
        let (subject, timeout) = (config.vapid_subject.clone(), config.send_timeout());
        let push = PushServices {
            web: Arc::new(WebPush::new(config.reach(), subject, timeout, Arc::clone(&vapid))?),
            apns: config.apns()?.map(Arc::new),
            fcm: config.fcm()?.map(Arc::new),
        };
        let app = Arc::new(App {
            pool: platform.database(&store::SCHEMA)?,
            peers: Peers::new(&platform.directory),
            push,
            vapid,
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            ttl: Duration::seconds(config.ttl_secs.into()),
            claim_ttl: Duration::seconds(config.send_timeout_secs.into()) + CLAIM_SLACK,
            record_ttl: Duration::seconds(config.record_ttl_secs.into()),
            bells: Bells::default(),
        });
        platform.grpc.add(PushServiceServer::new(grpc::PushGrpc::new(Arc::clone(&app))));
        platform.grpc.add(CallAlertInternalServiceServer::new(grpc::CallAlertGrpc::new(Arc::clone(&app))));
        spawn_workers(platform, &app);
        spawn_senders(platform, &app, config.concurrency.into());
        Ok(())
    }
}

fn spawn_workers(platform: &Platform, app: &Arc<App>) {
    let (stream, handler) = (Arc::clone(&platform.events), Arc::new(events::ChatUpdates(Arc::clone(app))));
    let group = ConsumerGroup { name: events::GROUP, topics: vec![&topics::CHAT_UPDATES], max_batch: UPDATES_BATCH };
    platform.tasks.spawn("push.chat_updates", |stop| async move { Ok(stream.consume(group, handler, stop).await?) });
    let finder = Arc::clone(app);
    platform.tasks.spawn("push.fan_out", |stop| workers::fan_out(finder, stop));
    let expirer = Arc::clone(app);
    platform.tasks.spawn("push.expire_notifications", |stop| workers::expire_notifications(expirer, stop));
    let (follower, live) = (Arc::clone(app), Arc::clone(&platform.live));
    platform.tasks.spawn("push.follow_revocations", |stop| workers::follow_revocations(follower, live, stop));
}

fn spawn_senders(platform: &Platform, app: &Arc<App>, concurrency: usize) {
    for provider in Provider::ALL.into_iter().filter(|provider| app.push.of(*provider).is_some()) {
        let sender = Arc::clone(app);
        platform.tasks.spawn("push.send_due", move |stop| workers::send_due(sender, provider, concurrency, stop));
        let sender = Arc::clone(app);
        platform.tasks.spawn("push.send_cues", move |stop| workers::send_cues(sender, provider, concurrency, stop));
    }
}

fn configured_key(config: &Config) -> anyhow::Result<Option<Arc<VapidKey>>> {
    let Some(secret) = &config.vapid_private_key else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(secret.expose()).context("GODWIT_PUSH_VAPID_PRIVATE_KEY is not base64url")?;
    let key = VapidKey::from_bytes(&bytes).context("GODWIT_PUSH_VAPID_PRIVATE_KEY cannot be used")?;
    Ok(Some(Arc::new(key)))
}
