//! The service in this process, with the test's own database, clock and mails.

use std::sync::Arc;
use std::time::Duration;

use clap::{Command, FromArgMatches as _};
use godwit_auth::{Auth, SCHEMA};
use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::auth_service_client::AuthServiceClient;
use godwit_contract::auth::v1::relationship_internal_service_client::RelationshipInternalServiceClient;
use godwit_contract::auth::v1::relationship_service_client::RelationshipServiceClient;
use godwit_contract::auth::v1::user_service_client::UserServiceClient;
use godwit_contract::auth::v1::{Device, LoginRequest, LoginResponse, RegisterRequest, Tokens, VerifyEmailRequest};
use godwit_kernel::{DeviceId, SystemClock, SystemEntropy};
use godwit_live::{Channel as LiveChannel, Delivery, Subscription};
use godwit_rpc::{Caller, Channel, Directory, Failure, LocalRoutes, ServerLayer, Target};
use godwit_runtime::options::{CommandLine, CommonOptions, DatabaseUrls};
use godwit_runtime::{Platform, Process, ServiceEntry, Stage};
use godwit_testkit::{Mailbox, ROLE_PASSWORD, TestClock, TestDb, env, unique};
use tokio::sync::mpsc;
use tonic::{Request, Status};

use crate::neighbours::Neighbours;

pub const PASSWORD: &str = "correct horse battery";

/// A database that several replicas of the service may share.
pub struct Cluster {
    pub db: TestDb,
    pub clock: Arc<TestClock>,
    pub mailbox: Mailbox,
    /// The chat and the media service, of every replica.
    pub neighbours: Neighbours,
}

/// One running replica.
pub struct Replica {
    pub platform: Platform,
    channel: Channel,
}

/// What most tests need: one replica that mails to the test's mail server.
pub struct Harness {
    pub cluster: Cluster,
    pub replica: Replica,
}

impl Cluster {
    pub async fn new() -> Self {
        let db = TestDb::new(&[&SCHEMA, &godwit_events::postgres::SCHEMA]).await;
        Self {
            db,
            clock: Arc::new(TestClock::default()),
            mailbox: Mailbox::from_env(),
            neighbours: Neighbours::default(),
        }
    }

    /// Starts a replica with these options beside those every test needs.
    pub async fn start(&self, options: &[&str]) -> anyhow::Result<Replica> {
        let mut arguments = vec![
            "test".to_owned(),
            format!("--database-url={}", self.db.url()),
            format!("--database-role-password={ROLE_PASSWORD}"),
        ];
        if !options.iter().any(|option| option.starts_with("--auth-bcrypt-cost=")) {
            arguments.push("--auth-bcrypt-cost=4".to_owned());
        }
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        let services = [ServiceEntry::of::<Auth>()];
        let parsed = CommandLine::new(Command::new("test"), Process::option_groups(&services)).parse(arguments)?;
        let common = CommonOptions::from_arg_matches(&parsed.groups[0])?;
        let urls = DatabaseUrls::from_matches(&Process::schemas(&services), &parsed.groups[1]);
        let routes = LocalRoutes::new();
        let directory = Directory::new(routes.clone(), [Target::Auth, Target::Chat, Target::Media]);
        let mut platform = Platform::open(&common, urls, directory).await?;
        platform.clock = Arc::clone(&self.clock) as Arc<_>;
        services[0].start(&platform, &parsed.groups[2]).await?;
        self.neighbours.serve(&platform.grpc);
        routes.bind(platform.grpc.routes(), &ServerLayer::default());
        let channel = platform.directory.channel(Target::Auth);
        Ok(Replica { platform, channel })
    }
}

impl Replica {
    pub fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel.clone())
    }

    pub fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel.clone())
    }

    pub fn relationships(&self) -> RelationshipServiceClient<Channel> {
        RelationshipServiceClient::new(self.channel.clone())
    }

    pub fn relations(&self) -> RelationshipInternalServiceClient<Channel> {
        RelationshipInternalServiceClient::new(self.channel.clone())
    }

    pub fn internal(&self) -> AuthInternalServiceClient<Channel> {
        AuthInternalServiceClient::new(self.channel.clone())
    }

    /// Where its internal services are called.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub async fn stop(self) {
        self.platform.tasks.stop(Stage::Work, tokio::time::Instant::now() + Duration::from_secs(20)).await;
    }
}

impl Harness {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(options: &[&str]) -> Self {
        let cluster = Cluster::new().await;
        let smtp = format!("--auth-smtp-url=smtp://{}", env::smtp());
        let replica = cluster.start(&[&[smtp.as_str()], options].concat()).await.unwrap();
        Self { cluster, replica }
    }

    pub fn auth(&self) -> AuthServiceClient<Channel> {
        self.replica.auth()
    }

    pub fn advance(&self, by: Duration) {
        self.cluster.clock.advance(by);
    }

    pub async fn register(&self, person: &Person) -> Result<(), Failure> {
        self.auth().register(person.register_request()).await.map(|_| ()).map_err(failure)
    }

    pub async fn verify(&self, email: &str, code: &str) -> Result<(), Failure> {
        let request = VerifyEmailRequest { email: email.to_owned(), code: code.to_owned() };
        self.auth().verify_email(request).await.map(|_| ()).map_err(failure)
    }

    pub async fn login(&self, login: &str, password: &str, device: &Device) -> Result<LoginResponse, Failure> {
        let request =
            LoginRequest { login: login.to_owned(), password: password.to_owned(), device: Some(device.clone()) };
        self.auth().login(request).await.map(tonic::Response::into_inner).map_err(failure)
    }

    /// Registers a person and confirms their address.
    pub async fn account(&self) -> Person {
        let person = Person::new();
        self.register(&person).await.unwrap();
        let code = self.cluster.mailbox.code(&person.email).await;
        self.verify(&person.email, &code).await.unwrap();
        person
    }

    /// An account that is logged in on one device.
    pub async fn session(&self) -> (Person, Device, LoginResponse) {
        let (person, device) = (self.account().await, device());
        let login = self.login(&person.email, PASSWORD, &device).await.unwrap();
        (person, device, login)
    }

    /// Listens to live channels.
    pub async fn listen(&self, channels: &[LiveChannel]) -> (Box<dyn Subscription>, mpsc::Receiver<Delivery>) {
        let (subscription, deliveries) = self.replica.platform.live.subscribe(100).await.unwrap();
        subscription.add(channels).await.unwrap();
        (subscription, deliveries)
    }
}

/// Somebody who registers.
#[derive(Clone)]
pub struct Person {
    pub email: String,
    pub username: String,
}

impl Person {
    pub fn new() -> Self {
        let name = unique("ada_");
        Self { email: format!("{name}@example.org"), username: name }
    }

    pub fn register_request(&self) -> RegisterRequest {
        RegisterRequest {
            email: self.email.clone(),
            username: self.username.clone(),
            password: PASSWORD.to_owned(),
            display_name: "Ada".to_owned(),
        }
    }
}

pub fn device() -> Device {
    let id = DeviceId::generate(&SystemClock, &SystemEntropy).to_string();
    Device { id, name: "Ada's phone".to_owned(), platform: "android".to_owned() }
}

pub fn failure(status: Status) -> Failure {
    Failure::from_status(&status)
}

/// A request of the session that a login opened.
pub fn as_caller<T>(login: &LoginResponse, device: &Device, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller {
        user_id: login.user.as_ref().unwrap().id.parse().unwrap(),
        session_id: tokens(login).session_id.parse().unwrap(),
        device_id: device.id.parse().unwrap(),
    };
    caller.attach(&mut request);
    request
}

pub fn tokens(login: &LoginResponse) -> &Tokens {
    login.tokens.as_ref().unwrap()
}
