use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use godwit_runtime::Secret;
use url::Url;

use crate::domain::Quota;
use crate::object_store::Access;

/// Where the objects are and how much a user may have in flight.
#[derive(clap::Args)]
pub struct Config {
    /// Address of the S3 service as this process reaches it, without the bucket.
    /// Needed unless GODWIT_MEDIA_S3_EMBEDDED_DIR is set.
    #[arg(long = "media-s3-url", env = "GODWIT_MEDIA_S3_URL", value_name = "GODWIT_MEDIA_S3_URL")]
    pub s3_url: Option<Url>,

    /// Address of the same S3 service as clients reach it: presigned addresses begin with it.
    /// Default: GODWIT_MEDIA_S3_URL.
    #[arg(long = "media-s3-public-url", env = "GODWIT_MEDIA_S3_PUBLIC_URL", value_name = "GODWIT_MEDIA_S3_PUBLIC_URL")]
    pub s3_public_url: Option<Url>,

    /// Bucket that holds the objects; created when it is absent.
    #[arg(
        long = "media-s3-bucket",
        env = "GODWIT_MEDIA_S3_BUCKET",
        value_name = "GODWIT_MEDIA_S3_BUCKET",
        default_value = "godwit-media"
    )]
    pub s3_bucket: String,

    /// Region of the bucket, as request signatures name it.
    #[arg(
        long = "media-s3-region",
        env = "GODWIT_MEDIA_S3_REGION",
        value_name = "GODWIT_MEDIA_S3_REGION",
        default_value = "us-east-1"
    )]
    pub s3_region: String,

    /// Access key of the S3 service. The embedded server takes a random one at each start when none is set.
    #[arg(
        long = "media-s3-access-key",
        env = "GODWIT_MEDIA_S3_ACCESS_KEY",
        value_name = "GODWIT_MEDIA_S3_ACCESS_KEY",
        hide_env_values = true
    )]
    pub s3_access_key: Option<Secret>,

    /// Secret key of the S3 service. The embedded server takes a random one at each start when none is set.
    #[arg(
        long = "media-s3-secret-key",
        env = "GODWIT_MEDIA_S3_SECRET_KEY",
        value_name = "GODWIT_MEDIA_S3_SECRET_KEY",
        hide_env_values = true
    )]
    pub s3_secret_key: Option<Secret>,

    /// Directory of an S3 server inside this process, for one machine. Instead of GODWIT_MEDIA_S3_URL.
    #[arg(
        long = "media-s3-embedded-dir",
        env = "GODWIT_MEDIA_S3_EMBEDDED_DIR",
        value_name = "GODWIT_MEDIA_S3_EMBEDDED_DIR"
    )]
    pub s3_embedded_dir: Option<PathBuf>,

    /// Address that the embedded S3 server listens on; clients reach it there or at GODWIT_MEDIA_S3_PUBLIC_URL.
    #[arg(
        long = "media-s3-embedded-listen",
        env = "GODWIT_MEDIA_S3_EMBEDDED_LISTEN",
        value_name = "GODWIT_MEDIA_S3_EMBEDDED_LISTEN",
        default_value = "127.0.0.1:8480"
    )]
    pub s3_embedded_listen: SocketAddr,

    /// How long an upload may stay incomplete before it is given up, in seconds; at least the 15 minutes for which
    /// its address is valid.
    #[arg(
        long = "media-upload-ttl-secs",
        env = "GODWIT_MEDIA_UPLOAD_TTL_SECS",
        value_name = "GODWIT_MEDIA_UPLOAD_TTL_SECS",
        default_value_t = 21_600,
        value_parser = clap::value_parser!(u32).range(900..=604_800)
    )]
    pub upload_ttl_secs: u32,

    /// How often given up uploads are looked for, in seconds.
    #[arg(
        long = "media-expiry-interval-secs",
        env = "GODWIT_MEDIA_EXPIRY_INTERVAL_SECS",
        value_name = "GODWIT_MEDIA_EXPIRY_INTERVAL_SECS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub expiry_interval_secs: u32,

    /// The most incomplete uploads of one user.
    #[arg(
        long = "media-pending-max-count",
        env = "GODWIT_MEDIA_PENDING_MAX_COUNT",
        value_name = "GODWIT_MEDIA_PENDING_MAX_COUNT",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub pending_max_count: u32,

    /// The most bytes that the incomplete uploads of one user may announce together; at least 2 GiB, the largest
    /// single upload.
    #[arg(
        long = "media-pending-max-bytes",
        env = "GODWIT_MEDIA_PENDING_MAX_BYTES",
        value_name = "GODWIT_MEDIA_PENDING_MAX_BYTES",
        default_value_t = 8_589_934_592,
        value_parser = clap::value_parser!(u64).range(2_147_483_648..)
    )]
    pub pending_max_bytes: u64,
}

impl Config {
    /// How to reach and use the object store at `url`.
    pub fn access(&self, url: Url) -> Access {
        Access {
            url,
            public_url: self.s3_public_url.clone(),
            bucket: self.s3_bucket.clone(),
            region: self.s3_region.clone(),
            access_key: self.s3_access_key.clone(),
            secret_key: self.s3_secret_key.clone(),
        }
    }

    /// How long an upload may stay incomplete.
    pub const fn upload_ttl(&self) -> Duration {
        Duration::from_secs(self.upload_ttl_secs as u64)
    }

    /// How often given up uploads are looked for.
    pub const fn expiry_interval(&self) -> Duration {
        Duration::from_secs(self.expiry_interval_secs as u64)
    }

    /// What one user may have in flight.
    pub const fn quota(&self) -> Quota {
        Quota { max_count: self.pending_max_count, max_bytes: self.pending_max_bytes }
    }
}
