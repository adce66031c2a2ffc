//! Uploads and their access. The bytes go straight between clients and an S3 object store by presigned addresses, or
//! through the gateway a part at a time; this service owns the record of each upload: who began it, what was announced,
//! what was found in it, and who may fetch it.
//!
//! Reading order: [`domain`] (limits and rules), [`app`] (one file a use case), [`store`] (the tables),
//! [`object_store`] (the only S3 client), [`processing`] (what is done with an upload once it is complete), [`grpc`] (the
//! contract), [`events`] (what messages carry), [`workers`] (the bucket, the jobs, and the removal of what nobody needs),
//! [`embedded_s3`] (the S3 server that runs inside the process on one machine).

pub mod app;
pub mod clients;
pub mod domain;
pub mod embedded_s3;
pub mod events;
pub mod grpc;
pub mod object_store;
pub mod processing;
pub mod store;
pub mod workers;

mod config;
mod error;

pub use config::Config;
pub use error::Error;

use std::sync::Arc;

use anyhow::Context as _;
use godwit_contract::media::v1::media_internal_service_server::MediaInternalServiceServer;
use godwit_contract::media::v1::media_service_server::MediaServiceServer;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalServiceServer;
use godwit_kernel::Entropy;
use godwit_rpc::{AccessChecks, Target};
use godwit_runtime::{Diagnosis, Platform, Secret, Service, Weight};
use tokio::sync::{Notify, Semaphore};
use url::Url;

use crate::app::App;
use crate::clients::Chats;
use crate::embedded_s3::EmbeddedS3;
use crate::events::ChatUpdates;
use crate::object_store::{Access, ObjectStore};
use crate::processing::{Processor, Scratch};

/// Pictures that are decoded at once: one takes up to 16 bytes a pixel.
const DECODED_AT_ONCE: usize = 2;
/// The largest message between services: a part of an upload and what names it.
const PART_MESSAGE_BYTES: usize = 8 * 1024 * 1024 + 64 * 1024;

/// The media service.
pub struct Media;

impl Service for Media {
    const TARGET: Target = Target::Media;
    const SCHEMA: Option<&'static godwit_pg::Schema> = Some(&store::SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        let objects = Arc::new(open_object_store(platform, &config).await?);
        let app = Arc::new(App {
            pool: platform.database(&store::SCHEMA)?,
            objects: Arc::clone(&objects),
            access: AccessChecks::new(&platform.directory),
            chats: Chats::new(&platform.directory),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            quota: config.quota(),
            upload_ttl: config.upload_ttl(),
            unused_ttl: config.unused_ttl(),
            complete_wait: config.complete_wait(),
            uploaded: Notify::new(),
            processed: Notify::new(),
        });
        let checked = Arc::clone(&objects);
        platform.health.register("object store", Weight::Degrades, move || {
            let objects = Arc::clone(&checked);
            async move { Ok(objects.check().await?) }
        });
        platform.tasks.spawn("media.ensure_bucket", move |stop| workers::ensure_bucket(objects, stop));
        spawn_workers(platform, &app, &config)?;
        platform.grpc.add(MediaServiceServer::new(grpc::MediaGrpc::new(Arc::clone(&app))));
        platform.grpc.add(MediaInternalServiceServer::new(grpc::MediaInternalGrpc::new(Arc::clone(&app))));
        let streams = MediaStreamInternalServiceServer::new(grpc::MediaStreamInternalGrpc::new(app));
        platform.grpc.add(streams.max_decoding_message_size(PART_MESSAGE_BYTES));
        Ok(())
    }

    async fn diagnose(config: Config) -> Vec<Diagnosis> {
        // The embedded server runs inside the process that is to be started.
        let Some(url) = config.s3_url.clone() else { return Vec::new() };
        let result = match ObjectStore::open(config.access(url)) {
            Ok(objects) => objects.check().await.map(|()| "the bucket is there".to_owned()).map_err(Into::into),
            Err(error) => Err(error.into()),
        };
        let remedy = "check GODWIT_MEDIA_S3_*; the bucket is created when the media service starts".to_owned();
        vec![Diagnosis { part: "object store".to_owned(), result, remedy }]
    }
}

fn spawn_workers(platform: &Platform, app: &Arc<App>, config: &Config) -> anyhow::Result<()> {
    let (expiring, interval) = (Arc::clone(app), config.expiry_interval());
    platform.tasks.spawn("media.expire_uploads", move |stop| workers::expire_uploads(expiring, interval, stop));
    let (stream, handler) = (Arc::clone(&platform.events), Arc::new(ChatUpdates(Arc::clone(app))));
    platform.tasks.spawn("media.follow_messages", |stop| async move {
        Ok(stream.consume(events::chat_updates_group(), handler, stop).await?)
    });
    if config.workers == 0 {
        return Ok(());
    }
    let scratch = config.scratch_dir.clone().unwrap_or_else(std::env::temp_dir);
    let processor = Arc::new(Processor {
        objects: Arc::clone(&app.objects),
        clamd: config.clamd.clone(),
        tools: config.tools(),
        max_pixels: config.max_pixels(),
        scratch: Scratch::open(&scratch).context("GODWIT_MEDIA_SCRATCH_DIR: uploads cannot be looked at there")?,
        decoding: Semaphore::new(DECODED_AT_ONCE),
    });
    let (processing, concurrency) = (Arc::clone(app), usize::from(config.workers));
    platform
        .tasks
        .spawn("media.process_uploads", move |stop| workers::process_uploads(processing, processor, concurrency, stop));
    Ok(())
}

/// The object store that the configuration names: one elsewhere, or one that starts inside this process.
async fn open_object_store(platform: &Platform, config: &Config) -> anyhow::Result<ObjectStore> {
    let access = match (&config.s3_url, &config.s3_embedded_dir) {
        (Some(_), Some(_)) => anyhow::bail!("set GODWIT_MEDIA_S3_URL or GODWIT_MEDIA_S3_EMBEDDED_DIR, not both"),
        (None, None) => anyhow::bail!("set GODWIT_MEDIA_S3_URL, or GODWIT_MEDIA_S3_EMBEDDED_DIR on one machine"),
        (Some(url), None) => config.access(url.clone()),
        (None, Some(dir)) => {
            let entropy = platform.entropy.as_ref();
            let access_key = config.s3_access_key.clone().unwrap_or_else(|| random_key(entropy));
            let secret_key = config.s3_secret_key.clone().unwrap_or_else(|| random_key(entropy));
            let server = EmbeddedS3::bind(config.s3_embedded_listen, dir, access_key.expose(), secret_key.expose())
                .await
                .context("GODWIT_MEDIA_S3_EMBEDDED_DIR, GODWIT_MEDIA_S3_EMBEDDED_LISTEN: the S3 server cannot start")?;
            let url = Url::parse(&format!("http://{}", server.local_addr()))?;
            tracing::info!(%url, "the embedded S3 server listens");
            platform.tasks.spawn("media.embedded_s3", |stop| async move {
                server.serve(stop).await;
                Ok(())
            });
            Access { access_key: Some(access_key), secret_key: Some(secret_key), ..config.access(url) }
        }
    };
    ObjectStore::open(access).context("GODWIT_MEDIA_S3_*: the object store cannot be used")
}

/// 160 random bits as text, for credentials that both sides of one process share.
fn random_key(entropy: &dyn Entropy) -> Secret {
    entropy.bytes::<20>().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
