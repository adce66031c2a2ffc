use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::auth::v1::relationship_internal_service_server::RelationshipInternalServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalServiceServer;
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::presence::v1::ListForegroundDevicesRequest;
use godwit_contract::presence::v1::foreground_internal_service_client::ForegroundInternalServiceClient;
use godwit_contract::presence::v1::foreground_internal_service_server::ForegroundInternalServiceServer;
use godwit_contract::presence::v1::presence_internal_service_client::PresenceInternalServiceClient;
use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalServiceServer;
use godwit_contract::presence::v1::presence_service_client::PresenceServiceClient;
use godwit_contract::presence::v1::presence_service_server::PresenceServiceServer;
use godwit_contract::presence::v1::presence_watch_service_client::PresenceWatchServiceClient;
use godwit_contract::presence::v1::presence_watch_service_server::PresenceWatchServiceServer;
use godwit_contract::presence::v1::{
    GetPresenceRequest, ListPresencesRequest, ReportNodeRequest, ReportNodeResponse, WatchPresenceRequest,
};
use godwit_contract::v1::{Presence, PresenceStatus, ServerFrame, server_frame};
use godwit_kernel::{DeviceId, NodeId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::redis::{RedisLive, RedisOptions};
use godwit_live::{Channel, Delivery, Live, Subscription};
use godwit_pg::{Pool, PoolOptions};
use godwit_presence::app::{Announcements, App};
use godwit_presence::clients::{Chats, Friends};
use godwit_presence::domain::Lease;
use godwit_presence::roster::Roster;
use godwit_presence::{grpc, store, workers};
use godwit_rpc::{AccessChecks, Caller, Directory, LocalRoutes, ServerLayer, Target};
use godwit_runtime::Tasks;
use godwit_testkit::{TestClock, TestDb, env, unique};
use prost::Message as _;
use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::auth::FakeAuth;
use crate::chats::FakeChats;
use crate::switch::Switch;

/// Long enough for a machine under load; a passing test does not wait for it.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Long enough that no lease ends by itself while a test goes on.
pub const LONG_LEASE: Duration = Duration::from_secs(300);
/// Short enough to wait for its end.
pub const SHORT_LEASE: Duration = Duration::from_secs(2);

pub async fn memory() -> Arc<dyn Live> {
    Arc::new(MemoryLive::new())
}

pub async fn redis() -> Arc<dyn Live> {
    let options = RedisOptions { url: env::redis_url(), cluster: false, key_prefix: unique("test:") };
    Arc::new(RedisLive::connect(options).await.unwrap())
}

/// The parts that outlive a replica.
pub struct World {
    pub clock: Arc<TestClock>,
    pub live: Arc<Switch>,
    pub db: TestDb,
    pub chats: FakeChats,
    pub auth: FakeAuth,
}

impl World {
    pub async fn over(live: Arc<dyn Live>) -> Self {
        Self {
            clock: Arc::new(TestClock::default()),
            live: Arc::new(Switch::to(live)),
            db: TestDb::new(&[&store::SCHEMA]).await,
            chats: FakeChats::default(),
            auth: FakeAuth::default(),
        }
    }

    pub fn replica(&self, lease: Duration) -> Replica {
        self.replica_with(lease, self.db.pool(&store::SCHEMA)).at_work()
    }

    /// A replica that does nothing by itself, and lets people come back within `grace`.
    pub fn forgiving_replica_at_rest(&self, grace: Duration) -> Replica {
        self.replica_of(LONG_LEASE, grace, self.db.pool(&store::SCHEMA))
    }

    /// A replica that does nothing by itself.
    pub fn replica_at_rest(&self, lease: Duration) -> Replica {
        self.replica_with(lease, self.db.pool(&store::SCHEMA))
    }

    /// A replica whose database nobody answers for.
    pub fn replica_without_database(&self, lease: Duration) -> Replica {
        let options = PoolOptions { wait_timeout: Duration::from_millis(100), ..PoolOptions::default() };
        self.replica_with(lease, Pool::connect("postgres://nobody@127.0.0.1:1/none", options).unwrap())
    }

    fn replica_with(&self, lease: Duration, pool: Pool) -> Replica {
        self.replica_of(lease, Duration::ZERO, pool)
    }

    /// A replica that lets people come back within `grace`.
    pub fn forgiving_replica(&self, grace: Duration) -> Replica {
        self.replica_of(LONG_LEASE, grace, self.db.pool(&store::SCHEMA)).at_work()
    }

    fn replica_of(&self, lease: Duration, grace: Duration, pool: Pool) -> Replica {
        let routes = LocalRoutes::new();
        let directory = Directory::new(routes.clone(), [Target::Auth, Target::Chat, Target::Presence]);
        let live: Arc<dyn Live> = self.live.clone();
        let app = Arc::new(App {
            pool,
            live: live.clone(),
            roster: Roster::new(live, lease),
            chats: Chats::new(&directory),
            friends: Friends::new(&directory),
            grace,
            access: AccessChecks::new(&directory),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            announcements: Announcements::default(),
            lease_ended: Notify::new(),
        });
        let services = Routes::new(ChatInternalServiceServer::new(self.chats.clone()))
            .add_service(AuthInternalServiceServer::new(self.auth.clone()))
            .add_service(RelationshipInternalServiceServer::new(self.auth.clone()))
            .add_service(PresenceWatchServiceServer::new(grpc::PresenceWatchGrpc::new(app.clone())))
            .add_service(ForegroundInternalServiceServer::new(grpc::ForegroundGrpc::new(app.clone())))
            .add_service(PresenceServiceServer::new(grpc::PresenceGrpc::new(app.clone())))
            .add_service(PresenceInternalServiceServer::new(grpc::PresenceInternalGrpc::new(app.clone())));
        routes.bind(services, &ServerLayer::default());
        Replica { app, directory, tasks: Tasks::new() }
    }

    /// The members of a set in live.
    pub async fn members(&self, key: &str) -> Vec<String> {
        self.live.members_of_sets(&[key.to_owned()]).await.unwrap().pop().unwrap()
    }

    pub async fn live_remove(&self, key: &str) {
        self.live.remove(key).await.unwrap();
    }

    pub async fn live_add(&self, key: &str, members: &[String]) {
        self.live.add_to_sets(&[key.to_owned()], members, LONG_LEASE).await.unwrap();
    }

    /// A person with an open connection at a node of their own, who knows `others`.
    pub async fn phone(&self, others: &[UserId]) -> Phone {
        let user_id = user();
        others.iter().for_each(|other| self.chats.befriend(user_id, *other));
        let node = Node::new();
        let lease = Lease::generate(node.node_id, &SystemEntropy).to_string();
        let node_key = format!("presence:node:{}", node.node_id);
        Live::set(self.live.as_ref(), &node_key, lease.clone().into(), LONG_LEASE).await.unwrap();
        self.live.add_to_sets(&[format!("presence:user:{user_id}")], &[lease], LONG_LEASE).await.unwrap();
        let (subscription, deliveries) = self.live.subscribe(100).await.unwrap();
        subscription.add(&[Channel::User(user_id)]).await.unwrap();
        Phone { user_id, node, deliveries, _subscription: subscription }
    }
}

pub struct Replica {
    pub app: Arc<App>,
    directory: Directory,
    tasks: Tasks,
}

impl Replica {
    fn at_work(self) -> Self {
        let (ending, announcing) = (self.app.clone(), self.app.clone());
        self.tasks.spawn("presence.end_leases", |stop| workers::end_leases(ending, stop));
        self.tasks.spawn("presence.announce", |stop| workers::announce(announcing, stop));
        self
    }

    /// Whose change this replica has yet to tell.
    pub fn to_announce(&self) -> Vec<UserId> {
        self.app.announcements.take(usize::MAX).now_or_never().unwrap_or_default()
    }

    pub async fn report(&self, report: ReportNodeRequest) -> Result<ReportNodeResponse, Status> {
        let channel = self.directory.channel(Target::Presence);
        let mut request = Request::new(report);
        // A full report takes long on a busy machine.
        request.set_timeout(std::time::Duration::from_secs(30));
        Ok(PresenceInternalServiceClient::new(channel).report_node(request).await?.into_inner())
    }

    /// What `caller` learns of a user.
    pub async fn ask(&self, caller: UserId, user_id: UserId) -> Result<Presence, Status> {
        let mut request = Request::new(GetPresenceRequest { user_id: user_id.to_string() });
        let (session_id, device_id) = (new_id(SessionId::generate), new_id(DeviceId::generate));
        Caller { user_id: caller, session_id, device_id }.attach(&mut request);
        let answer = self.presence_client().get_presence(request).await?.into_inner();
        Ok(answer.presence.expect("an answer has a presence"))
    }

    /// What `viewer` learns of some people at once.
    pub async fn list(&self, viewer: UserId, user_ids: &[UserId]) -> Result<Vec<Presence>, Status> {
        let user_ids = user_ids.iter().map(UserId::to_string).collect();
        let mut request = Request::new(ListPresencesRequest { user_ids });
        let (session_id, device_id) = (new_id(SessionId::generate), new_id(DeviceId::generate));
        Caller { user_id: viewer, session_id, device_id }.attach(&mut request);
        Ok(self.presence_client().list_presences(request).await?.into_inner().presences)
    }

    /// `phone` has these people on screen, and others no longer.
    pub async fn watch(
        &self,
        phone: &Phone,
        watched: &[UserId],
        unwatched: &[UserId],
    ) -> Result<Vec<Presence>, Status> {
        let request = WatchPresenceRequest {
            node_id: phone.node.node_id.to_string(),
            user_id: phone.user_id.to_string(),
            watched_user_ids: watched.iter().map(UserId::to_string).collect(),
            unwatched_user_ids: unwatched.iter().map(UserId::to_string).collect(),
        };
        let mut client = PresenceWatchServiceClient::new(self.directory.channel(Target::Presence));
        Ok(client.watch_presence(request).await?.into_inner().presences)
    }

    /// What comes of `work`, while these reports are made again and again.
    pub async fn reporting<T>(&self, reports: &[ReportNodeRequest], work: impl Future<Output = T>) -> T {
        let go_on = async {
            loop {
                for report in reports {
                    self.report(report.clone()).await.unwrap();
                }
                tokio::time::sleep(SHORT_LEASE / 20).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = go_on => panic!("reports go on"),
        }
    }

    /// The devices that these users have in front of them.
    pub async fn foreground(&self, users: &[UserId]) -> Result<Vec<String>, Status> {
        let request = ListForegroundDevicesRequest { user_ids: users.iter().map(UserId::to_string).collect() };
        let mut client = ForegroundInternalServiceClient::new(self.directory.channel(Target::Presence));
        Ok(client.list_foreground_devices(request).await?.into_inner().device_ids)
    }

    pub fn presence_client(&self) -> PresenceServiceClient<godwit_rpc::Channel> {
        PresenceServiceClient::new(self.directory.channel(Target::Presence))
    }

    pub async fn status(&self, caller: UserId, user_id: UserId) -> PresenceStatus {
        self.ask(caller, user_id).await.unwrap().status()
    }
}

/// A gateway node.
pub struct Node {
    pub node_id: NodeId,
}

impl Node {
    pub fn new() -> Self {
        Self { node_id: new_id(NodeId::generate) }
    }

    pub fn joined(&self, users: &[UserId]) -> ReportNodeRequest {
        self.report(users, &[])
    }

    pub fn left(&self, users: &[UserId]) -> ReportNodeRequest {
        self.report(&[], users)
    }

    pub fn away(&self, users: &[UserId]) -> ReportNodeRequest {
        ReportNodeRequest { away_user_ids: users.iter().map(UserId::to_string).collect(), ..self.report(&[], &[]) }
    }

    pub fn leaving(&self) -> ReportNodeRequest {
        ReportNodeRequest { leaving: true, ..self.report(&[], &[]) }
    }

    pub fn report(&self, joined: &[UserId], left: &[UserId]) -> ReportNodeRequest {
        ReportNodeRequest {
            node_id: self.node_id.to_string(),
            joined_user_ids: joined.iter().map(UserId::to_string).collect(),
            left_user_ids: left.iter().map(UserId::to_string).collect(),
            ..ReportNodeRequest::default()
        }
    }
}

/// A person's connection to some gateway.
pub struct Phone {
    pub user_id: UserId,
    /// Where they are.
    pub node: Node,
    deliveries: mpsc::Receiver<Delivery>,
    _subscription: Box<dyn Subscription>,
}

impl Phone {
    /// Whom the next frame tells of, and what.
    pub async fn sees(&mut self) -> (UserId, PresenceStatus, Option<OffsetDateTime>) {
        let delivery = timeout(DEADLINE, self.deliveries.recv()).await.expect("a frame in time");
        decode(delivery.expect("live goes on"))
    }

    /// Reads until this is told. A change may be told twice, and once without its time, when another follows at once.
    pub async fn waits_for(&mut self, expected: (UserId, PresenceStatus, Option<OffsetDateTime>)) {
        while self.sees().await != expected {}
    }

    /// Whether nothing more was told before now: what is published next arrives next.
    pub async fn has_seen_all(&mut self, world: &World) -> bool {
        let (channel, payload) = (Channel::User(self.user_id), Bytes::from_static(b"now"));
        world.live.publish(vec![(channel, payload.clone())]).await.unwrap();
        let next = timeout(DEADLINE, self.deliveries.recv()).await.expect("what was published arrives");
        next == Some(Delivery::Message { channel, payload })
    }
}

fn decode(delivery: Delivery) -> (UserId, PresenceStatus, Option<OffsetDateTime>) {
    let Delivery::Message { payload, .. } = delivery else { panic!("live was interrupted") };
    let Some(live_payload::Payload::ServerFrame(frame)) = LivePayload::decode(payload).unwrap().payload else {
        panic!("not a frame");
    };
    let Some(server_frame::Frame::Presence(presence)) = ServerFrame::decode(frame).unwrap().frame else {
        panic!("not a presence");
    };
    let last_seen_at = presence.last_seen_at.as_ref().and_then(godwit_rpc::instant);
    (presence.user_id.parse().unwrap(), presence.status(), last_seen_at)
}

pub fn user() -> UserId {
    new_id(UserId::generate)
}

fn new_id<T>(generate: fn(&dyn godwit_kernel::Clock, &dyn godwit_kernel::Entropy) -> T) -> T {
    generate(&SystemClock, &SystemEntropy)
}
