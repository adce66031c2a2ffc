use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godwit_call_signaling::app::{App, CallToMake, FrameOrder};
use godwit_call_signaling::clients::{Alerts, Chats};
use godwit_call_signaling::domain::{Call, Media, Party};
use godwit_call_signaling::raft::{Node, NodeOptions};
use godwit_call_signaling::{store, workers};
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::push::v1::call_alert_service_server::{CallAlertService, CallAlertServiceServer};
use godwit_contract::push::v1::{AlertCallRequest, AlertCallResponse};
use godwit_contract::v1::{CallSignalEvent, CallState, ServerFrame, server_frame};
use godwit_events::outbox::Waker;
use godwit_kernel::{CallId, DeviceId, SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live, Subscription};
use godwit_rpc::{AccessChecks, Directory, LocalRoutes, ServerLayer, Target};
use godwit_testkit::{TestClock, TestDb, eventually};
use prost::Message as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::auth::FakeAuth;

pub const SOON: Duration = Duration::from_secs(10);

/// Everything that outlives a replica's process.
pub struct World {
    pub clock: Arc<TestClock>,
    pub live: Arc<MemoryLive>,
    pub db: TestDb,
    pub data_dir: tempfile::TempDir,
    pub auth: FakeAuth,
    pub alerts: FakeAlerts,
    pub ada: Party,
    pub bob: Party,
    pub stranger: Party,
}

impl World {
    pub async fn new() -> Self {
        Self {
            clock: Arc::new(TestClock::default()),
            live: Arc::new(MemoryLive::new()),
            db: TestDb::new(&[&store::SCHEMA]).await,
            data_dir: tempfile::tempdir().unwrap(),
            auth: FakeAuth::default(),
            alerts: FakeAlerts::default(),
            ada: person(),
            bob: person(),
            stranger: person(),
        }
    }

    pub fn call_to_bob(&self) -> CallToMake {
        CallToMake { id: new_call_id(), caller: self.ada, callee_id: self.bob.user_id, media: Media::Video }
    }

    /// How many events wait in the outbox for a call.
    pub async fn event_count(&self) -> i64 {
        let count = diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM outbox)");
        let mut connection = self.db.pool(&store::SCHEMA).get().await.unwrap();
        diesel_async::RunQueryDsl::get_result(diesel::select(count), &mut *connection).await.unwrap()
    }
}

pub fn person() -> Party {
    let (clock, entropy) = (TestClock::default(), SystemEntropy);
    Party { user_id: UserId::generate(&clock, &entropy), device_id: DeviceId::generate(&clock, &entropy) }
}

pub fn other_device(of: Party) -> Party {
    Party { device_id: person().device_id, ..of }
}

pub fn new_call_id() -> CallId {
    CallId::generate(&TestClock::default(), &SystemEntropy)
}

/// One running replica with its workers.
pub struct Replica {
    pub app: Arc<App>,
    stop: CancellationToken,
    workers: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Replica {
    pub async fn start(world: &World) -> Self {
        let node = start_node(world.data_dir.path()).await;
        let peers = peers(world);
        let app = Arc::new(App {
            node,
            pool: world.db.pool(&store::SCHEMA),
            chats: Chats::new(&peers),
            access: AccessChecks::new(&peers),
            alerts: Alerts::new(&peers),
            live: Arc::clone(&world.live) as Arc<dyn Live>,
            frames: FrameOrder::default(),
            clock: Arc::clone(&world.clock) as Arc<dyn godwit_kernel::Clock>,
            entropy: Arc::new(SystemEntropy),
            relay: Waker::default(),
            finished: Notify::new(),
        });
        eventually(SOON, async || app.node.is_leader()).await;
        let stop = CancellationToken::new();
        let workers = vec![
            spawn(workers::time_calls(Arc::clone(&app), stop.clone())),
            spawn(workers::record_finished(Arc::clone(&app), stop.clone())),
        ];
        Self { app, stop, workers }
    }

    /// Ends the replica as a crash does: nothing is handed over, only the disk remains.
    pub async fn kill(self) {
        self.stop.cancel();
        for worker in self.workers {
            worker.await.unwrap().unwrap();
        }
        self.app.node.shutdown().await;
        let app = Arc::into_inner(self.app).unwrap();
        drop(app);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn<F: Future<Output = anyhow::Result<()>> + Send + 'static>(work: F) -> JoinHandle<anyhow::Result<()>> {
    tokio::spawn(work)
}

/// The file is held exclusively until the replica before has let go of it.
async fn start_node(data_dir: &Path) -> Node {
    eventually(SOON, async || {
        let members = [(1, String::new())].into();
        let options = NodeOptions { node_id: 1, members, data_dir: data_dir.to_owned() };
        Node::start(options, Directory::new(LocalRoutes::new(), [])).await
    })
    .await
}

/// Listens as a user's gateway does.
pub struct Phone {
    deliveries: mpsc::Receiver<Delivery>,
    _subscription: Box<dyn Subscription>,
}

impl Phone {
    pub async fn of(world: &World, person: Party) -> Self {
        let (subscription, deliveries) = world.live.subscribe(64).await.unwrap();
        subscription.add(&[Channel::User(person.user_id)]).await.unwrap();
        Self { deliveries, _subscription: subscription }
    }

    /// The next `call_signal` frame, and the device that alone may get it.
    pub async fn hears(&mut self) -> (CallSignalEvent, Option<String>) {
        loop {
            let delivery = tokio::time::timeout(SOON, self.deliveries.recv()).await.unwrap().unwrap();
            let Delivery::Message { payload, .. } = delivery else { panic!("live was interrupted") };
            let (frame, device) = match LivePayload::decode(payload).unwrap().payload {
                Some(live_payload::Payload::ServerFrame(frame)) => (frame, None),
                Some(live_payload::Payload::ForDevice(only)) => (only.server_frame, Some(only.device_id)),
                other => panic!("not a frame: {other:?}"),
            };
            if let Some(server_frame::Frame::CallSignal(signal)) = ServerFrame::decode(frame).unwrap().frame {
                return (signal, device);
            }
        }
    }

    /// Whether no signal was told that was not read.
    pub async fn has_heard_all(&mut self, world: &World, person: Party) -> bool {
        let end = bytes::Bytes::from_static(b"\xff");
        world.live.publish(vec![(Channel::User(person.user_id), end.clone())]).await.unwrap();
        loop {
            match tokio::time::timeout(SOON, self.deliveries.recv()).await.unwrap().unwrap() {
                Delivery::Message { payload, .. } if payload == end => return true,
                Delivery::Message { payload, .. } => {
                    let payload = LivePayload::decode(payload).unwrap().payload;
                    let Some(live_payload::Payload::ServerFrame(frame)) = payload else { return false };
                    let frame = ServerFrame::decode(frame).unwrap().frame;
                    if matches!(frame, Some(server_frame::Frame::CallSignal(_))) {
                        return false;
                    }
                }
                Delivery::Interrupted => panic!("live was interrupted"),
            }
        }
    }

    /// The state that the next `call` frame tells.
    pub async fn sees(&mut self) -> CallState {
        let delivery = tokio::time::timeout(SOON, self.deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { payload, .. } = delivery else { panic!("live was interrupted") };
        let Some(live_payload::Payload::ServerFrame(frame)) = LivePayload::decode(payload).unwrap().payload else {
            panic!("not a frame")
        };
        let Some(server_frame::Frame::Call(call)) = ServerFrame::decode(frame).unwrap().frame else {
            panic!("not a call")
        };
        call.state()
    }
}

pub async fn get(replica: &Replica, call: &Call, party: Party) -> Call {
    replica.app.get_call(call.id, party.user_id).await.unwrap()
}

/// A directory with the world's auth, whose chat service knows that Ada and Bob share a direct chat.
fn peers(world: &World) -> Directory {
    let routes = LocalRoutes::new();
    let chats = FakeChats { pair: [world.ada.user_id, world.bob.user_id] };
    let served = Routes::new(ChatInternalServiceServer::new(chats))
        .add_service(AuthInternalServiceServer::new(world.auth.clone()))
        .add_service(CallAlertServiceServer::new(world.alerts.clone()));
    routes.bind(served, &ServerLayer::default());
    Directory::new(routes, [Target::Auth, Target::Chat, Target::Push])
}

/// A push service that keeps what it was told.
#[derive(Clone, Default)]
pub struct FakeAlerts {
    pub told: Arc<Mutex<Vec<godwit_contract::v1::Call>>>,
    pub is_away: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl CallAlertService for FakeAlerts {
    async fn alert_call(&self, request: Request<AlertCallRequest>) -> Result<Response<AlertCallResponse>, Status> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        self.told.lock().unwrap().push(request.into_inner().call.unwrap());
        Ok(Response::new(AlertCallResponse {}))
    }
}

struct FakeChats {
    pair: [UserId; 2],
}

#[tonic::async_trait]
impl ChatInternalService for FakeChats {
    async fn list_direct_peers(
        &self,
        request: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        let asked = request.into_inner().user_id;
        let is_one_of_them = self.pair.iter().any(|user_id| user_id.to_string() == asked);
        let others = self.pair.iter().map(UserId::to_string).filter(|user_id| is_one_of_them && *user_id != asked);
        Ok(Response::new(ListDirectPeersResponse { user_ids: others.collect(), has_more: false }))
    }

    async fn get_posting_policy(
        &self,
        _: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }

    async fn list_chat_ids(&self, _: Request<ListChatIdsRequest>) -> Result<Response<ListChatIdsResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }
    async fn open_saved_messages(
        &self,
        _: Request<godwit_contract::chat::v1::OpenSavedMessagesRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
