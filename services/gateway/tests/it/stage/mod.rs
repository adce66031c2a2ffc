//! A running gateway over stand-in services.

mod actions;
mod client;
mod live;
pub mod media;
pub mod raw;
mod services;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use godwit_contract::events::v1::LivePayload;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, MessageCreated, ServerFrame, Update, server_frame};
use godwit_gateway::{Config, Foundation};
use godwit_kernel::{ChatId, DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_live::{Channel, Live};
use godwit_rpc::{Caller, Directory, LocalRoutes, ServerLayer, Target};
use godwit_runtime::{Health, Stage as TaskStage, Tasks};
use godwit_testkit::TestClock;
use prost::Message as _;

pub use client::{Client, Heard};
pub use live::TestLive;
pub use services::Services;
pub use tokens::Signer;

/// Longer than anything takes that works.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Stage {
    pub address: SocketAddr,
    pub services: Services,
    pub live: Arc<TestLive>,
    pub clock: Arc<TestClock>,
    pub tasks: Tasks,
    pub http: reqwest::Client,
}

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A gateway with these options, such as `--gateway-frames-per-sec=1`.
    pub async fn with(options: &[&str]) -> Self {
        Self::over(Services::default(), options).await
    }

    /// A gateway over these services.
    pub async fn over(services: Services, options: &[&str]) -> Self {
        let fixed = ["test", "--gateway-listen=127.0.0.1:0", "--gateway-workers=2"];
        let config = CommandLine::parse_from(fixed.iter().chain(options)).config;
        let routes = LocalRoutes::new();
        routes.bind(services.routes(), &ServerLayer::default());
        let live = Arc::new(TestLive::default());
        let clock = Arc::clone(&services.clock);
        let tasks = Tasks::new();
        let foundation = Foundation {
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            tasks: tasks.clone(),
            directory: Directory::new(routes, Target::ALL),
            live: live.clone(),
            health: Health::new(),
        };
        let address = godwit_gateway::start(foundation, config).await.unwrap();
        Self { address, services, live, clock, tasks, http: godwit_testkit::http_client() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// An access token of this caller, for 15 minutes from now.
    pub fn token(&self, caller: &Caller) -> String {
        self.services.signer.token(caller, self.clock.as_ref(), Duration::from_secs(15 * 60))
    }

    pub fn get(&self, path: &str, caller: &Caller) -> reqwest::RequestBuilder {
        self.http.get(self.url(path)).bearer_auth(self.token(caller))
    }

    /// A socket at `/ws/me` that has said `connected`.
    pub async fn connect(&self, caller: &Caller) -> Client {
        let mut client = self.open("/ws/me", caller).await;
        client.connected().await;
        client
    }

    /// A socket whose first frame was not read yet.
    pub async fn open(&self, path: &str, caller: &Caller) -> Client {
        Client::open(self.address, path, &[("authorization", &format!("Bearer {}", self.token(caller)))]).await
    }

    /// Publishes an event of a chat.
    pub async fn publish(&self, chat: ChatId, seq: u64, text: &str) {
        let frame = update(chat, seq, text);
        let payload = Payload::ServerFrame(frame.encode_to_vec().into());
        self.send(Channel::Chat(chat), payload).await;
    }

    pub async fn send(&self, channel: Channel, payload: Payload) {
        let payload = LivePayload { payload: Some(payload) }.encode_to_vec();
        self.live.publish(vec![(channel, payload.into())]).await.unwrap();
    }

    /// As SIGTERM would.
    pub async fn stop(&self) -> Vec<&'static str> {
        let deadline = Instant::now() + SOON;
        self.tasks.stop(TaskStage::Edge, deadline.into()).await
    }
}

pub fn update(chat: ChatId, seq: u64, text: &str) -> ServerFrame {
    let message = Message { chat_id: chat.to_string(), seq, text: text.to_owned(), ..Message::default() };
    let change = Change::MessageCreated(MessageCreated { message: Some(message) });
    let update = Update { chat_id: chat.to_string(), seq, change: Some(change), ..Update::default() };
    ServerFrame { id: String::new(), frame: Some(server_frame::Frame::Update(update)) }
}

/// Somebody on some device.
pub fn somebody() -> Caller {
    Caller {
        user_id: UserId::generate(&SystemClock, &SystemEntropy),
        session_id: SessionId::generate(&SystemClock, &SystemEntropy),
        device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
    }
}

/// The same user on another device.
pub fn elsewhere(caller: &Caller) -> Caller {
    Caller { user_id: caller.user_id, ..somebody() }
}

pub fn chat() -> ChatId {
    ChatId::generate(&SystemClock, &SystemEntropy)
}
