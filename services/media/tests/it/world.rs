use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalServiceServer;
use godwit_contract::media::v1::media_internal_service_server::MediaInternalService as _;
use godwit_contract::media::v1::media_service_server::MediaService as _;
use godwit_contract::media::v1::{
    CompleteUploadRequest, CreateUploadRequest, CreateUploadResponse, DescribeAttachmentsRequest, GetMediaRequest,
    GetMediaUrlRequest, GetThumbnailUrlRequest, Media, MediaState, SetAvatarRequest, ThumbnailSize,
};
use godwit_contract::v1::Attachment;
use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_media::app::App;
use godwit_media::clients::Chats;
use godwit_media::domain::Quota;
use godwit_media::grpc::{MediaGrpc, MediaInternalGrpc, MediaStreamInternalGrpc};
use godwit_media::object_store::ObjectStore;
use godwit_media::processing::{Clamd, Processor, Scratch, Tools};
use godwit_media::{store, workers};
use godwit_rpc::{AccessChecks, Caller, Directory, Failure, LocalRoutes, ServerLayer, Target};
use godwit_testkit::{TestClock, TestDb, eventually};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::auth::FakeAuth;
use crate::chats::FakeChats;
use crate::fixtures::png;
use crate::s3::{S3Server, access, open, spawn};

pub const SOON: Duration = Duration::from_secs(10);
pub const UPLOAD_TTL: Duration = Duration::from_secs(3_600);
pub const UNUSED_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// More than any test needs.
pub const WIDE: Quota = Quota {
    pending_count: 100,
    pending_bytes: 8 << 30,
    daily_count: 10_000,
    daily_bytes: 1 << 40,
    total_bytes: 1 << 40,
};

/// The service with a database and an S3 server of its own.
pub struct World {
    pub clock: Arc<TestClock>,
    pub app: Arc<App>,
    pub objects: Arc<ObjectStore>,
    pub http: reqwest::Client,
    pub auth: FakeAuth,
    pub chats: FakeChats,
    pub ada: Caller,
    pub bob: Caller,
    /// Removed when the world ends.
    _db: TestDb,
    pub dir: tempfile::TempDir,
    pub grpc: MediaGrpc,
    pub streams: MediaStreamInternalGrpc,
    internal: MediaInternalGrpc,
    s3: Option<S3Server>,
    workers: Option<Workers>,
}

/// The workers of one replica.
struct Workers {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// With a worker that looks at uploads, but for malware.
    pub async fn new() -> Self {
        let mut world = Self::without_workers(WIDE).await;
        world.start_workers(None);
        world
    }

    pub async fn with_quota(quota: Quota) -> Self {
        let mut world = Self::without_workers(quota).await;
        world.start_workers(None);
        world
    }

    /// Nobody looks at uploads until a worker is started.
    pub async fn without_workers(quota: Quota) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let s3 = S3Server::start(&dir.path().join("s3")).await;
        let objects = open(s3.access());
        objects.ensure_bucket().await.unwrap();
        let db = TestDb::new(&[&store::SCHEMA]).await;
        let (clock, auth, chats) = (Arc::new(TestClock::default()), FakeAuth::default(), FakeChats::default());
        let routes = LocalRoutes::new();
        let neighbours = Routes::new(AuthInternalServiceServer::new(auth.clone()));
        let neighbours = neighbours.add_service(ChatInternalServiceServer::new(chats.clone()));
        routes.bind(neighbours, &ServerLayer::default());
        let directory = Directory::new(routes, [Target::Auth, Target::Chat]);
        let app = Arc::new(App {
            pool: db.pool(&store::SCHEMA),
            objects: Arc::clone(&objects),
            access: AccessChecks::new(&directory),
            chats: Chats::new(&directory),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            quota,
            upload_ttl: UPLOAD_TTL,
            unused_ttl: UNUSED_TTL,
            complete_wait: Duration::ZERO,
            uploaded: Notify::new(),
            processed: Notify::new(),
        });
        let grpc = MediaGrpc::new(Arc::clone(&app));
        let streams = MediaStreamInternalGrpc::new(Arc::clone(&app));
        let internal = MediaInternalGrpc::new(Arc::clone(&app));
        let http = reqwest::Client::new();
        let (ada, bob) = (person(), person());
        let (s3, workers) = (Some(s3), None);
        Self { clock, app, objects, http, auth, chats, ada, bob, _db: db, dir, grpc, streams, internal, s3, workers }
    }

    /// Has uploads looked at.
    pub fn start_workers(&mut self, clamd: Option<Clamd>) {
        self.start_workers_with(self.processor(clamd));
    }

    pub fn start_workers_with(&mut self, processor: Processor) {
        let stop = CancellationToken::new();
        let task = spawn(workers::process_uploads(Arc::clone(&self.app), Arc::new(processor), 2, stop.clone()));
        self.workers = Some(Workers { stop, task });
    }

    /// As a replica does that is told to end.
    pub async fn stop_workers(&mut self) {
        let workers = self.workers.take().unwrap();
        workers.stop.cancel();
        workers.task.await.unwrap().unwrap();
    }

    pub fn processor(&self, clamd: Option<Clamd>) -> Processor {
        Processor {
            objects: Arc::clone(&self.objects),
            clamd,
            tools: tools(),
            max_pixels: 50_000_000,
            scratch: Scratch::open(&self.scratch()).unwrap(),
            decoding: Semaphore::new(1),
        }
    }

    /// Where jobs work.
    pub fn scratch(&self) -> std::path::PathBuf {
        let scratch = self.dir.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        scratch
    }

    /// Time goes on until what failed is tried again; not while something is being tried, for it would seem dead.
    pub async fn let_retries_come(&self) {
        if self.count("SELECT count(*) FROM media.jobs WHERE claim IS NOT NULL").await == 0 {
            self.clock.advance(Duration::from_secs(301));
            self.app.uploaded.notify_one();
        }
    }

    /// The one number that a query gives.
    pub async fn count(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut conn = self.app.pool.get().await.unwrap();
        let query = diesel::sql_query(format!("SELECT ({query}) AS count"));
        let row: Count = diesel_async::RunQueryDsl::get_result(query, &mut conn).await.unwrap();
        row.count
    }

    /// Changes rows as nothing in the service does.
    pub async fn execute(&self, statement: &str) {
        let mut conn = self.app.pool.get().await.unwrap();
        diesel_async::RunQueryDsl::execute(diesel::sql_query(statement), &mut conn).await.unwrap();
    }

    /// The object store goes away.
    pub async fn stop_s3(&mut self) -> SocketAddr {
        let s3 = self.s3.take().unwrap();
        let address = s3.address;
        s3.stop().await;
        address
    }

    /// And is back.
    pub async fn start_s3(&mut self, address: SocketAddr) {
        self.s3 = Some(S3Server::start_at(address, &self.dir.path().join("s3")).await);
    }

    /// The same service while its object store is not there.
    pub fn app_without_store(&self) -> App {
        // Nothing listens on the discard port.
        self.app_with(open(access(([127, 0, 0, 1], 9).into())))
    }

    /// The same service with another object store.
    pub fn app_with(&self, objects: Arc<ObjectStore>) -> App {
        App {
            pool: self.app.pool.clone(),
            objects,
            access: self.app.access.clone(),
            chats: self.app.chats.clone(),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SystemEntropy),
            quota: self.app.quota,
            upload_ttl: UPLOAD_TTL,
            unused_ttl: UNUSED_TTL,
            complete_wait: Duration::ZERO,
            uploaded: Notify::new(),
            processed: Notify::new(),
        }
    }

    pub async fn create(&self, caller: Caller, request: CreateUploadRequest) -> Result<CreateUploadResponse, Failure> {
        Ok(self.grpc.create_upload(from(caller, request)).await.map_err(failure)?.into_inner())
    }

    /// Ada announces a text with these bytes.
    pub async fn announce(&self, bytes: &[u8]) -> CreateUploadResponse {
        self.create(self.ada, text(bytes)).await.unwrap()
    }

    /// Ada uploads something of this type, completes it, and waits for what comes of it.
    pub async fn upload_as(&self, content_type: &str, bytes: &[u8]) -> Media {
        self.upload_with(CreateUploadRequest { content_type: content_type.to_owned(), ..text(bytes) }, bytes).await
    }

    /// The same, as the request says.
    pub async fn upload_with(&self, request: CreateUploadRequest, bytes: &[u8]) -> Media {
        let created = self.create(self.ada, request).await.unwrap();
        assert_eq!(self.put(&created, bytes).await, 200);
        self.complete(self.ada, &id(&created)).await.unwrap();
        self.looked_at(&id(&created)).await
    }

    /// Ada's upload, once it was looked at.
    pub async fn looked_at(&self, media_id: &str) -> Media {
        eventually(SOON, async || {
            let media = self.get(self.ada, media_id).await.unwrap();
            (!matches!(media.state(), MediaState::Processing | MediaState::Pending)).then_some(media)
        })
        .await
    }

    /// Ada uploads a picture that differs by `seed`.
    pub async fn picture(&self, seed: &[u8]) -> Media {
        let media = self.upload_as("image/png", &png(seed)).await;
        assert_eq!(media.state(), MediaState::Ready);
        media
    }

    /// What somebody gets at an address.
    pub async fn fetch(&self, url: &str) -> Vec<u8> {
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().to_vec()
    }

    pub async fn thumbnail(&self, caller: Caller, media_id: &str, size: ThumbnailSize) -> Result<String, Failure> {
        let request = GetThumbnailUrlRequest { media_id: media_id.to_owned(), size: size.into() };
        Ok(self.grpc.get_thumbnail_url(from(caller, request)).await.map_err(failure)?.into_inner().url)
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

    /// Ada uploads a text with these bytes.
    pub async fn upload(&self, bytes: &[u8]) -> Media {
        let media = self.upload_with(text(bytes), bytes).await;
        assert_eq!(media.state(), MediaState::Ready);
        media
    }

    /// PUTs as the answer says; the status.
    pub async fn put(&self, created: &CreateUploadResponse, bytes: &[u8]) -> u16 {
        self.try_put(created, bytes).await.unwrap()
    }

    /// The same; `None` when nobody answers.
    pub async fn try_put(&self, created: &CreateUploadResponse, bytes: &[u8]) -> Option<u16> {
        let mut request = self.http.put(&created.upload_url).body(bytes.to_vec());
        for (name, value) in &created.upload_headers {
            request = request.header(name, value);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }

    pub async fn complete(&self, caller: Caller, media_id: &str) -> Result<Media, Failure> {
        let request = CompleteUploadRequest { media_id: media_id.to_owned(), part_etags: Vec::new() };
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

pub fn text(bytes: &[u8]) -> CreateUploadRequest {
    CreateUploadRequest {
        file_name: "Кот.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        size_bytes: u64::try_from(bytes.len()).unwrap(),
        ..Default::default()
    }
}

pub fn tools() -> Tools {
    Tools { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), time_limit: Duration::from_secs(60) }
}

pub fn id(created: &CreateUploadResponse) -> String {
    created.media.as_ref().unwrap().id.clone()
}

pub fn object_key(media_id: &str) -> String {
    format!("{}/{media_id}", &media_id[media_id.len() - 2..])
}

pub fn from<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    caller.attach(&mut request);
    request
}

pub fn failure(status: Status) -> Failure {
    Failure::from_status(&status)
}
