use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use godwit_contract::media::v1::media_internal_service_server::MediaInternalService as _;
use godwit_contract::media::v1::media_service_server::MediaService as _;
use godwit_contract::media::v1::{
    CompleteUploadRequest, CreateUploadRequest, CreateUploadResponse, DescribeAttachmentsRequest, GetMediaRequest,
    GetMediaUrlRequest, Media, SetAvatarRequest,
};
use godwit_contract::v1::Attachment;
use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_media::app::App;
use godwit_media::domain::Quota;
use godwit_media::embedded_s3::EmbeddedS3;
use godwit_media::grpc::{MediaGrpc, MediaInternalGrpc};
use godwit_media::object_store::{Access, ObjectStore};
use godwit_media::store;
use godwit_rpc::{AccessChecks, Caller, Failure};
use godwit_testkit::{TestClock, TestDb};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::auth::FakeAuth;

pub const SOON: Duration = Duration::from_secs(10);
pub const UPLOAD_TTL: Duration = Duration::from_secs(3_600);

/// An S3 server of a test's own.
pub struct S3Server {
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl S3Server {
    pub async fn start(dir: &Path) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), dir).await
    }

    pub async fn start_at(listen: SocketAddr, dir: &Path) -> Self {
        let server = EmbeddedS3::bind(listen, dir, "key", "secret").await.unwrap();
        let stop = CancellationToken::new();
        Self { address: server.local_addr(), task: spawn(server.serve(stop.clone())), stop }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub fn access(&self) -> Access {
        access(self.address)
    }
}

pub fn access(address: SocketAddr) -> Access {
    Access {
        url: format!("http://{address}").parse().unwrap(),
        public_url: None,
        bucket: "godwit-media".to_owned(),
        region: "us-east-1".to_owned(),
        access_key: Some("key".to_owned().into()),
        secret_key: Some("secret".to_owned().into()),
    }
}

pub fn open(access: Access) -> Arc<ObjectStore> {
    // Another test of this process may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    Arc::new(ObjectStore::open(access).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// The service with a database and an S3 server of its own.
pub struct World {
    pub clock: Arc<TestClock>,
    pub app: Arc<App>,
    pub objects: Arc<ObjectStore>,
    pub http: reqwest::Client,
    pub auth: FakeAuth,
    pub ada: Caller,
    pub bob: Caller,
    grpc: MediaGrpc,
    internal: MediaInternalGrpc,
    _s3: S3Server,
    _db: TestDb,
    _dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with_quota(Quota { max_count: 100, max_bytes: 8 << 30 }).await
    }

    pub async fn with_quota(quota: Quota) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let s3 = S3Server::start(dir.path()).await;
        let objects = open(s3.access());
        objects.ensure_bucket().await.unwrap();
        let db = TestDb::new(&[&store::SCHEMA]).await;
        let (clock, auth) = (Arc::new(TestClock::default()), FakeAuth::default());
        let app = Arc::new(App {
            pool: db.pool(&store::SCHEMA),
            objects: Arc::clone(&objects),
            access: AccessChecks::new(&auth.directory()),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            quota,
            upload_ttl: UPLOAD_TTL,
        });
        let grpc = MediaGrpc::new(Arc::clone(&app));
        let internal = MediaInternalGrpc::new(Arc::clone(&app));
        let http = reqwest::Client::new();
        let (ada, bob) = (person(), person());
        Self { clock, app, objects, http, auth, ada, bob, grpc, internal, _s3: s3, _db: db, _dir: dir }
    }

    /// The same service while its object store is not there.
    pub fn app_without_store(&self) -> App {
        App {
            pool: self.app.pool.clone(),
            // Nothing listens on the discard port.
            objects: open(access(([127, 0, 0, 1], 9).into())),
            access: self.app.access.clone(),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SystemEntropy),
            quota: self.app.quota,
            upload_ttl: UPLOAD_TTL,
        }
    }

    pub async fn create(&self, caller: Caller, request: CreateUploadRequest) -> Result<CreateUploadResponse, Failure> {
        Ok(self.grpc.create_upload(from(caller, request)).await.map_err(failure)?.into_inner())
    }

    /// Ada announces a picture with these bytes.
    pub async fn announce(&self, bytes: &[u8]) -> CreateUploadResponse {
        self.create(self.ada, picture(bytes)).await.unwrap()
    }

    /// Ada uploads something of this type and completes it.
    pub async fn upload_as(&self, content_type: &str, bytes: &[u8]) -> Media {
        let request = CreateUploadRequest { content_type: content_type.to_owned(), ..picture(bytes) };
        let created = self.create(self.ada, request).await.unwrap();
        assert_eq!(self.put(&created, bytes).await, 200);
        self.complete(self.ada, &id(&created)).await.unwrap()
    }

    /// Makes an upload a user's avatar, as auth does.
    pub async fn set_avatar(&self, owner: Caller, media_id: &str) -> Result<(), Failure> {
        let request = SetAvatarRequest { user_id: owner.user_id.to_string(), media_id: media_id.to_owned() };
        self.internal.set_avatar(Request::new(request)).await.map(drop).map_err(failure)
    }

    /// What the message service is told of uploads that a user sends.
    pub async fn describe(&self, sender: Caller, media_ids: &[&str]) -> Result<Vec<Attachment>, Failure> {
        let media_ids = media_ids.iter().map(|&id| id.to_owned()).collect();
        let request = DescribeAttachmentsRequest { user_id: sender.user_id.to_string(), media_ids };
        let answer = self.internal.describe_attachments(Request::new(request)).await.map_err(failure)?;
        Ok(answer.into_inner().attachments)
    }

    /// Ada uploads a picture with these bytes and completes it.
    pub async fn upload(&self, bytes: &[u8]) -> Media {
        let created = self.announce(bytes).await;
        assert_eq!(self.put(&created, bytes).await, 200);
        self.complete(self.ada, &id(&created)).await.unwrap()
    }

    /// PUTs as the answer says; the status.
    pub async fn put(&self, created: &CreateUploadResponse, bytes: &[u8]) -> u16 {
        let mut request = self.http.put(&created.upload_url).body(bytes.to_vec());
        for (name, value) in &created.upload_headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    pub async fn complete(&self, caller: Caller, media_id: &str) -> Result<Media, Failure> {
        let request = CompleteUploadRequest { media_id: media_id.to_owned() };
        let answer = self.grpc.complete_upload(from(caller, request)).await.map_err(failure)?;
        Ok(answer.into_inner().media.unwrap())
    }

    pub async fn get(&self, caller: Caller, media_id: &str) -> Result<Media, Failure> {
        let request = GetMediaRequest { media_id: media_id.to_owned() };
        Ok(self.grpc.get_media(from(caller, request)).await.map_err(failure)?.into_inner().media.unwrap())
    }

    pub async fn url(&self, caller: Caller, media_id: &str) -> Result<String, Failure> {
        let request = GetMediaUrlRequest { media_id: media_id.to_owned() };
        Ok(self.grpc.get_media_url(from(caller, request)).await.map_err(failure)?.into_inner().url)
    }

    /// Puts bytes under an upload's key past the service, as a store that does not enforce signatures would let it.
    pub async fn put_anything(&self, media: &Media, content_type: &str, bytes: &[u8]) {
        let key = object_key(&media.id);
        let size = u64::try_from(bytes.len()).unwrap();
        let put = self.objects.presign_put(&key, content_type, size, Duration::from_secs(60));
        let mut request = self.http.put(put.url).body(bytes.to_vec());
        for (name, value) in put.headers {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

pub fn person() -> Caller {
    let (clock, entropy) = (SystemClock, SystemEntropy);
    Caller {
        user_id: UserId::generate(&clock, &entropy),
        session_id: SessionId::generate(&clock, &entropy),
        device_id: DeviceId::generate(&clock, &entropy),
    }
}

pub fn picture(bytes: &[u8]) -> CreateUploadRequest {
    CreateUploadRequest {
        file_name: "Кот.png".to_owned(),
        content_type: "image/png".to_owned(),
        size_bytes: u64::try_from(bytes.len()).unwrap(),
    }
}

pub fn id(created: &CreateUploadResponse) -> String {
    created.media.as_ref().unwrap().id.clone()
}

pub fn object_key(media_id: &str) -> String {
    format!("{}/{media_id}", &media_id[media_id.len() - 2..])
}

fn from<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    caller.attach(&mut request);
    request
}

fn failure(status: Status) -> Failure {
    Failure::from_status(&status)
}
