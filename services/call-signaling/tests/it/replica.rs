use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godwit_call_signaling::app::{App, CallToMake, FrameOrder, Silences};
use godwit_call_signaling::clients::{Alerts, Chats, Logs};
use godwit_call_signaling::domain::{Call, Media, Party};
use godwit_call_signaling::raft::{Node, NodeOptions};
use godwit_call_signaling::turn::Turn;
use godwit_call_signaling::{Leader, store, workers};
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::chat::v1::direct_chat_internal_service_server::{
    DirectChatInternalService, DirectChatInternalServiceServer,
};
use godwit_contract::chat::v1::{GetDirectChatRequest, GetDirectChatResponse};
use godwit_contract::events::v1::{DeviceProbe, LivePayload, live_payload};
use godwit_contract::message::v1::message_internal_service_server::MessageInternalServiceServer;
use godwit_contract::push::v1::call_alert_internal_service_server::{
    CallAlertInternalService, CallAlertInternalServiceServer,
};
use godwit_contract::push::v1::{AlertCallRequest, AlertCallResponse};
use godwit_contract::v1::{CallSignalEvent, CallState, ServerFrame, server_frame};
use godwit_events::outbox::Waker;
use godwit_kernel::{CallId, ChatId, DeviceId, SessionId, SystemEntropy, UserId};
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
use crate::logs::FakeLogs;

pub const SOON: Duration = Duration::from_secs(10);

/// Everything that outlives a replica's process.
pub struct World {
    pub clock: Arc<TestClock>,
    pub live: Arc<MemoryLive>,
    pub db: TestDb,
    pub data_dir: tempfile::TempDir,
    pub auth: FakeAuth,
    pub alerts: FakeAlerts,
    pub logs: FakeLogs,
    pub chat_id: ChatId,
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
            logs: FakeLogs::default(),
            chat_id: ChatId::generate(&TestClock::default(), &SystemEntropy),
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
    Party {
        user_id: UserId::generate(&clock, &entropy),
        device_id: DeviceId::generate(&clock, &entropy),
        session_id: Some(SessionId::generate(&clock, &entropy)),
    }
}

pub fn other_device(of: Party) -> Party {
    Party { user_id: of.user_id, ..person() }
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
        let app = app(world, start_node(world.data_dir.path()).await);
        eventually(SOON, async || app.node.is_leader()).await;
        let stop = CancellationToken::new();
        let workers = vec![
            spawn(workers::time_calls(Arc::clone(&app), stop.clone())),
            spawn(workers::record_finished(Arc::clone(&app), stop.clone())),
        ];
        Self { app, stop, workers }
    }

    /// Who serves what is asked of it.
    pub fn leader(&self) -> Leader {
        Leader::new(self.app.node.clone(), Directory::new(LocalRoutes::new(), []))
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

/// The use cases of a replica.
pub fn app(world: &World, node: Node) -> Arc<App> {
    let peers = peers(world);
    Arc::new(App {
        node,
        pool: world.db.pool(&store::SCHEMA),
        chats: Chats::new(&peers),
        logs: Logs::new(peers.clone()),
        access: AccessChecks::new(&peers),
        alerts: Alerts::new(&peers),
        turn: Turn { stun_urls: Vec::new(), servers: Vec::new(), secret: None, ttl: time::Duration::HOUR },
        live: Arc::clone(&world.live) as Arc<dyn Live>,
        frames: FrameOrder::default(),
        silences: Silences::default(),
        clock: Arc::clone(&world.clock) as Arc<dyn godwit_kernel::Clock>,
        entropy: Arc::new(SystemEntropy),
        relay: Waker::default(),
        finished: Notify::new(),
    })
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn<F: Future<Output = anyhow::Result<()>> + Send + 'static>(work: F) -> JoinHandle<anyhow::Result<()>> {
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
        self.sees_call().await.state()
    }

    /// What the next `call` frame tells.
    pub async fn sees_call(&mut self) -> godwit_contract::v1::Call {
        let Some(live_payload::Payload::ServerFrame(frame)) = self.next().await else { panic!("not a frame") };
        let Some(server_frame::Frame::Call(call)) = ServerFrame::decode(frame).unwrap().frame else {
            panic!("not a call")
        };
        call
    }

    /// What the next `call` frame tells; `None` for what is none.
    pub async fn sees_call_or_probe(&mut self) -> Option<godwit_contract::v1::Call> {
        let Some(live_payload::Payload::ServerFrame(frame)) = self.next().await else { return None };
        match ServerFrame::decode(frame).unwrap().frame {
            Some(server_frame::Frame::Call(call)) => Some(call),
            _ => None,
        }
    }

    /// The next probe of a device.
    pub async fn is_asked_after(&mut self) -> DeviceProbe {
        loop {
            if let Some(live_payload::Payload::DeviceProbe(probe)) = self.next().await {
                return probe;
            }
        }
    }

    async fn next(&mut self) -> Option<live_payload::Payload> {
        let delivery = tokio::time::timeout(SOON, self.deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { payload, .. } = delivery else { panic!("live was interrupted") };
        LivePayload::decode(payload).unwrap().payload
    }
}

pub async fn get(replica: &Replica, call: &Call, party: Party) -> Call {
    replica.app.get_call(call.id, party.user_id).await.unwrap()
}

/// A directory with the world's auth, whose chat service knows that Ada and Bob share a direct chat.
fn peers(world: &World) -> Directory {
    let routes = LocalRoutes::new();
    let chats = FakeChats { pair: [world.ada.user_id, world.bob.user_id], chat_id: world.chat_id };
    let served = Routes::new(DirectChatInternalServiceServer::new(chats))
        .add_service(MessageInternalServiceServer::new(world.logs.clone()))
        .add_service(AuthInternalServiceServer::new(world.auth.clone()))
        .add_service(CallAlertInternalServiceServer::new(world.alerts.clone()));
    routes.bind(served, &ServerLayer::default());
    Directory::new(routes, [Target::Auth, Target::Chat, Target::Message, Target::Push])
}

/// A push service that keeps what it was told.
#[derive(Clone, Default)]
pub struct FakeAlerts {
    pub told: Arc<Mutex<Vec<godwit_contract::v1::Call>>>,
    pub is_away: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl CallAlertInternalService for FakeAlerts {
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
    chat_id: ChatId,
}

#[tonic::async_trait]
impl DirectChatInternalService for FakeChats {
    async fn get_direct_chat(
        &self,
        request: Request<GetDirectChatRequest>,
    ) -> Result<Response<GetDirectChatResponse>, Status> {
        let GetDirectChatRequest { user_id, peer_id } = request.into_inner();
        let mut asked = [user_id, peer_id];
        let mut pair = self.pair.map(|user_id| user_id.to_string());
        asked.sort_unstable();
        pair.sort_unstable();
        let chat_id = if asked == pair { self.chat_id.to_string() } else { String::new() };
        Ok(Response::new(GetDirectChatResponse { chat_id }))
    }
}
