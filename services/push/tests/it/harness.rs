//! The service in this process, with the test's own database, stream, clock, peers and push service.

use std::sync::Arc;
use std::time::Duration;

use clap::{Command, FromArgMatches as _};
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalServiceServer;
use godwit_contract::chat::v1::listener_internal_service_server::ListenerInternalServiceServer;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalServiceServer;
use godwit_contract::presence::v1::foreground_internal_service_server::ForegroundInternalServiceServer;
use godwit_contract::push::v1::push_service_client::PushServiceClient;
use godwit_contract::push::v1::{RegisterWebPushRequest, UnregisterWebPushRequest};
use godwit_contract::v1::{
    ChatDeleted, Message, MessageCreated, MessageDeleted, OwnReadAdvanced, ReceiptAdvanced, Update, update,
};
use godwit_events::{NewRecord, topics};
use godwit_kernel::{ChatId, Clock as _, MessageId, Seq, SystemClock, SystemEntropy, UserId};
use godwit_push::{Push, store};
use godwit_rpc::{Channel, Directory, Failure, LocalRoutes, ServerLayer, Target, timestamp};
use godwit_runtime::options::{CommandLine, CommonOptions, DatabaseUrls};
use godwit_runtime::{Platform, Process, ServiceEntry};
use godwit_testkit::{ROLE_PASSWORD, TestClock, TestDb, eventually};
use prost::Message as _;
use tonic::Request;

use crate::browser::{Browser, PushServer, Received};
use crate::peers::Peers;
use crate::stage::apns::Apns;
use crate::stage::fcm::Fcm;
use crate::stage::tls::Authority;

pub const SOON: Duration = Duration::from_secs(20);

/// Endpoints of tests are on this machine.
pub const NEARBY: &[&str] = &["--push-allow-private-endpoints=true"];

pub struct World {
    pub db: TestDb,
    pub clock: Arc<TestClock>,
    pub peers: Peers,
    pub server: PushServer,
    pub chat_id: ChatId,
    pub authority: Authority,
    pub apns: Apns,
    pub fcm: Fcm,
}

/// One running replica.
pub struct Replica {
    pub platform: Platform,
    channel: Channel,
}

impl World {
    pub async fn new() -> Self {
        rustls_provider();
        let (clock, authority) = (Arc::new(TestClock::default()), Authority::new());
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        let peers = Peers::default();
        *peers.chat_id.lock().unwrap() = chat_id.to_string();
        Self {
            db: TestDb::new(&[&store::SCHEMA, &godwit_events::postgres::SCHEMA]).await,
            apns: Apns::open(&authority, Arc::clone(&clock) as Arc<_>).await,
            fcm: Fcm::open(&authority, Arc::clone(&clock) as Arc<_>).await,
            clock,
            peers,
            server: PushServer::open().await,
            chat_id,
            authority,
        }
    }

    /// A replica with accounts at Apple and Google.
    pub async fn start_with_accounts(&self) -> Replica {
        let mut options = self.apns.options();
        options.extend(self.fcm.options());
        options.push(format!("--push-provider-root-ca={}", self.authority.pem_file().display()));
        options.extend(NEARBY.iter().map(|option| (*option).to_owned()));
        self.start(&options.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    pub async fn start(&self, options: &[&str]) -> Replica {
        let mut arguments = vec![
            "test".to_owned(),
            format!("--database-url={}", self.db.url()),
            format!("--database-role-password={ROLE_PASSWORD}"),
        ];
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        let services = [ServiceEntry::of::<Push>()];
        let parsed =
            CommandLine::new(Command::new("test"), Process::option_groups(&services)).parse(arguments).unwrap();
        let common = CommonOptions::from_arg_matches(&parsed.groups[0]).unwrap();
        let urls = DatabaseUrls::from_matches(&Process::schemas(&services), &parsed.groups[1]);
        let routes = LocalRoutes::new();
        let directory = Directory::new(
            routes.clone(),
            [Target::Push, Target::Auth, Target::Chat, Target::Message, Target::Presence],
        );
        let mut platform = Platform::open(&common, urls, directory).await.unwrap();
        platform.clock = Arc::clone(&self.clock) as Arc<_>;
        platform.grpc.add(AuthInternalServiceServer::new(self.peers.clone()));
        platform.grpc.add(ChatInternalServiceServer::new(self.peers.clone()));
        platform.grpc.add(ListenerInternalServiceServer::new(self.peers.clone()));
        platform.grpc.add(ForegroundInternalServiceServer::new(self.peers.clone()));
        platform.grpc.add(MessageInternalServiceServer::new(self.peers.clone()));
        services[0].start(&platform, &parsed.groups[2]).await.unwrap();
        routes.bind(platform.grpc.routes(), &ServerLayer::default());
        let channel = platform.directory.channel(Target::Push);
        Replica { platform, channel }
    }

    /// A member of the chat with a browser.
    pub fn member(&self) -> Browser {
        let browser = self.stranger();
        self.peers.members.lock().unwrap().insert(browser.caller.user_id.to_string());
        browser
    }

    /// Somebody else.
    pub fn stranger(&self) -> Browser {
        Browser::of(UserId::generate(&SystemClock, &SystemEntropy))
    }

    /// The update of a message that is sent now, and is there until it is deleted.
    pub fn message(&self, seq: u64, sender: &Browser, text: &str) -> Update {
        self.message_of(seq, sender.caller.user_id, text)
    }

    /// The same, of whoever it is.
    pub fn message_of(&self, seq: u64, sender_id: UserId, text: &str) -> Update {
        self.message_in(self.chat_id, seq, sender_id, text)
    }

    /// The same, of another chat with the same members.
    pub fn message_in(&self, chat_id: ChatId, seq: u64, sender_id: UserId, text: &str) -> Update {
        let sent_at = Some(timestamp(self.clock.now()));
        let message = Message {
            id: MessageId { chat_id, seq: Seq::new(seq).unwrap() }.to_string(),
            chat_id: chat_id.to_string(),
            seq,
            sender_id: sender_id.to_string(),
            client_message_id: format!("m{seq}"),
            text: text.to_owned(),
            sent_at,
            ..Message::default()
        };
        self.peers.messages.lock().unwrap().insert(message.id.clone(), message.clone());
        Update {
            chat_id: chat_id.to_string(),
            seq,
            epoch: "e".to_owned(),
            occurred_at: sent_at,
            actor_id: sender_id.to_string(),
            change: Some(update::Change::MessageCreated(MessageCreated { message: Some(message) })),
        }
    }

    /// Deletes a message for everyone, and returns the update that tells so.
    pub fn delete(&self, seq: u64) -> Update {
        let message_id = MessageId { chat_id: self.chat_id, seq: Seq::new(seq).unwrap() }.to_string();
        self.peers.messages.lock().unwrap().remove(&message_id);
        self.other(seq + 1_000, update::Change::MessageDeleted(MessageDeleted { message_id }))
    }

    /// Deletes the chat, and returns the update that tells so.
    pub fn delete_chat(&self) -> Update {
        self.peers.messages.lock().unwrap().clear();
        self.other(10_000, update::Change::ChatDeleted(ChatDeleted {}))
    }

    /// Somebody has read the chat up to here.
    pub fn read(&self, reader: UserId, read_seq: u64) -> Update {
        let change = update::Change::ReceiptAdvanced(ReceiptAdvanced { read_seq, delivered_seq: read_seq });
        Update { actor_id: reader.to_string(), ..self.other(read_seq + 2_000, change) }
    }

    /// Somebody has read a chat so large that only their own log says so.
    pub fn own_read(&self, reader: UserId, read_seq: u64) -> Update {
        let change = update::Change::OwnReadAdvanced(OwnReadAdvanced { chat_id: self.chat_id.to_string(), read_seq });
        Update { chat_id: reader.to_string(), ..self.other(read_seq, change) }
    }

    /// The message of an update, to be changed.
    pub fn change(&self, update: &mut Update, change: impl FnOnce(&mut Message)) {
        let Some(update::Change::MessageCreated(created)) = &mut update.change else { unreachable!("a message") };
        let message = created.message.as_mut().unwrap();
        change(message);
        self.peers.messages.lock().unwrap().insert(message.id.clone(), message.clone());
    }

    /// A number that the database gives.
    pub async fn number(&self, sql: &str) -> i64 {
        use diesel_async::RunQueryDsl as _;

        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            number: i64,
        }
        let pool = self.db.pool(&store::SCHEMA);
        let query = diesel::sql_query(format!("SELECT ({sql})::bigint AS number"));
        query.get_result::<Row>(&mut *pool.get().await.unwrap()).await.unwrap().number
    }

    /// Changes what the database has.
    pub async fn execute(&self, sql: &str) {
        use diesel_async::RunQueryDsl as _;

        let pool = self.db.pool(&store::SCHEMA);
        diesel::sql_query(sql).execute(&mut *pool.get().await.unwrap()).await.unwrap();
    }

    fn other(&self, seq: u64, change: update::Change) -> Update {
        Update { chat_id: self.chat_id.to_string(), seq, change: Some(change), ..Update::default() }
    }

    /// The only notification that a browser gets.
    pub async fn arrival(&self, browser: &Browser) -> Received {
        eventually(SOON, async || self.server.at(browser).first().cloned()).await
    }
}

impl Replica {
    pub fn push(&self) -> PushServiceClient<Channel> {
        PushServiceClient::new(self.channel.clone())
    }

    pub async fn register(&self, browser: &Browser, subscription: RegisterWebPushRequest) -> Result<(), Failure> {
        let mut request = Request::new(subscription);
        browser.caller.attach(&mut request);
        self.push().register_web_push(request).await.map(|_| ()).map_err(|status| Failure::from_status(&status))
    }

    pub async fn unregister(&self, browser: &Browser) {
        let mut request = Request::new(UnregisterWebPushRequest {});
        browser.caller.attach(&mut request);
        self.push().unregister_web_push(request).await.unwrap();
    }

    pub async fn publish(&self, world: &World, update: &Update) {
        self.publish_bytes(world, update.encode_to_vec()).await;
    }

    pub async fn publish_bytes(&self, world: &World, payload: Vec<u8>) {
        let record = NewRecord::new(&topics::CHAT_UPDATES, world.chat_id.as_bytes().to_vec(), payload);
        self.platform.events.publish(vec![record]).await.unwrap();
    }
}

/// The process's part of what `godwit_runtime::main` does before anything else.
fn rustls_provider() {
    drop(godwit_testkit::http_client());
}
