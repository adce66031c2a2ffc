use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use godwit_runtime::Secret;
use url::Url;

use crate::domain::Quota;
use crate::object_store::Access;
use crate::processing::{Clamd, Tools};

/// Where the objects are, how much a user may upload, and what uploads are looked at with.
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

    /// The most uploads that one user may begin within 24 hours.
    #[arg(
        long = "media-daily-max-count",
        env = "GODWIT_MEDIA_DAILY_MAX_COUNT",
        value_name = "GODWIT_MEDIA_DAILY_MAX_COUNT",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub daily_max_count: u32,

    /// The most bytes of the uploads that one user begins within 24 hours; at least 2 GiB.
    #[arg(
        long = "media-daily-max-bytes",
        env = "GODWIT_MEDIA_DAILY_MAX_BYTES",
        value_name = "GODWIT_MEDIA_DAILY_MAX_BYTES",
        default_value_t = 53_687_091_200,
        value_parser = clap::value_parser!(u64).range(2_147_483_648..)
    )]
    pub daily_max_bytes: u64,

    /// The most bytes of all uploads of one user that are kept; at least 2 GiB.
    #[arg(
        long = "media-total-max-bytes",
        env = "GODWIT_MEDIA_TOTAL_MAX_BYTES",
        value_name = "GODWIT_MEDIA_TOTAL_MAX_BYTES",
        default_value_t = 1_099_511_627_776,
        value_parser = clap::value_parser!(u64).range(2_147_483_648..)
    )]
    pub total_max_bytes: u64,

    /// How long an upload is kept that no message carries and that is no avatar, in seconds.
    #[arg(
        long = "media-unused-ttl-secs",
        env = "GODWIT_MEDIA_UNUSED_TTL_SECS",
        value_name = "GODWIT_MEDIA_UNUSED_TTL_SECS",
        default_value_t = 604_800,
        value_parser = clap::value_parser!(u32).range(3_600..=31_536_000)
    )]
    pub unused_ttl_secs: u32,

    /// How long the call that completes an upload waits for what comes of it, in milliseconds; 0 for not at all.
    #[arg(
        long = "media-complete-wait-ms",
        env = "GODWIT_MEDIA_COMPLETE_WAIT_MS",
        value_name = "GODWIT_MEDIA_COMPLETE_WAIT_MS",
        default_value_t = 3_000,
        value_parser = clap::value_parser!(u32).range(0..=8_000)
    )]
    pub complete_wait_ms: u32,

    /// The most uploads that are looked at at once; 0 when other processes do that.
    #[arg(
        long = "media-workers",
        env = "GODWIT_MEDIA_WORKERS",
        value_name = "GODWIT_MEDIA_WORKERS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u16).range(0..=64)
    )]
    pub workers: u16,

    /// Directory for uploads while they are looked at, with room for twice as many as are looked at at once.
    /// Default: the system's directory for temporary files.
    #[arg(long = "media-scratch-dir", env = "GODWIT_MEDIA_SCRATCH_DIR", value_name = "GODWIT_MEDIA_SCRATCH_DIR")]
    pub scratch_dir: Option<PathBuf>,

    /// The most pixels of a picture or of a frame of a film, in millions.
    #[arg(
        long = "media-max-megapixels",
        env = "GODWIT_MEDIA_MAX_MEGAPIXELS",
        value_name = "GODWIT_MEDIA_MAX_MEGAPIXELS",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=268)
    )]
    pub max_megapixels: u32,

    /// Where ClamAV's clamd listens, as tcp://host:port or unix:///path; its StreamMaxLength should be 2 GiB.
    /// Uploads are not scanned without it.
    #[arg(long = "media-clamd", env = "GODWIT_MEDIA_CLAMD", value_name = "GODWIT_MEDIA_CLAMD")]
    pub clamd: Option<Clamd>,

    /// The program ffmpeg, for films and sound.
    #[arg(
        long = "media-ffmpeg",
        env = "GODWIT_MEDIA_FFMPEG",
        value_name = "GODWIT_MEDIA_FFMPEG",
        default_value = "ffmpeg"
    )]
    pub ffmpeg: PathBuf,

    /// The program ffprobe, for films and sound.
    #[arg(
        long = "media-ffprobe",
        env = "GODWIT_MEDIA_FFPROBE",
        value_name = "GODWIT_MEDIA_FFPROBE",
        default_value = "ffprobe"
    )]
    pub ffprobe: PathBuf,

    /// How long one run of them may take, in seconds.
    #[arg(
        long = "media-tool-time-limit-secs",
        env = "GODWIT_MEDIA_TOOL_TIME_LIMIT_SECS",
        value_name = "GODWIT_MEDIA_TOOL_TIME_LIMIT_SECS",
        default_value_t = 120,
        value_parser = clap::value_parser!(u32).range(1..=3_600)
    )]
    pub tool_time_limit_secs: u32,
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

    /// How long an upload is kept that nothing refers to.
    pub const fn unused_ttl(&self) -> Duration {
        Duration::from_secs(self.unused_ttl_secs as u64)
    }

    /// How long the call that completes an upload waits for what comes of it.
    pub const fn complete_wait(&self) -> Duration {
        Duration::from_millis(self.complete_wait_ms as u64)
    }

    /// The most pixels of a picture.
    pub const fn max_pixels(&self) -> u64 {
        self.max_megapixels as u64 * 1_000_000
    }

    /// What films and sound are looked at with.
    pub fn tools(&self) -> Tools {
        Tools {
            ffmpeg: self.ffmpeg.clone(),
            ffprobe: self.ffprobe.clone(),
            time_limit: Duration::from_secs(self.tool_time_limit_secs.into()),
        }
    }

    /// What one user may upload.
    pub const fn quota(&self) -> Quota {
        Quota {
            pending_count: self.pending_max_count as u64,
            pending_bytes: self.pending_max_bytes,
            daily_count: self.daily_max_count as u64,
            daily_bytes: self.daily_max_bytes,
            total_bytes: self.total_max_bytes,
        }
    }
}
