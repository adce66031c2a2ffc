use godwit_contract::auth::v1::LoginResponse;
use godwit_contract::chat::v1::CreateDirectChatResponse;
use godwit_contract::message::v1::{SendMessageResponse, SyncChatResponse};
use godwit_contract::v1::{Chat, Message};
use godwit_testkit::{Mailbox, TestCluster, unique};
use serde_json::json;

use super::{Answer, Encoding, Rest, Socket};

pub const PASSWORD: &str = "correct horse battery";

/// A person who went the whole way: registered, read the mailed code, verified, logged in.
pub struct Account {
    pub user_id: String,
    pub username: String,
    pub email: String,
    pub device_id: String,
    pub access_token: String,
    pub refresh_token: String,
    pub rest: Rest,
    gateway: String,
}

impl Account {
    /// A new account at the cluster's first gateway.
    pub async fn create(cluster: &TestCluster, name: &str) -> Self {
        Self::create_at(cluster.gateway(), cluster.mailbox(), name).await
    }

    /// A new account at this gateway.
    pub async fn create_at(gateway: &str, mailbox: &Mailbox, name: &str) -> Self {
        let (username, email) = Self::register(gateway, name).await;
        let code = mailbox.code(&email).await;
        let verified = Rest::open(gateway).post("/auth/verify-email", json!({"email": email, "code": code})).await;
        verified.ok::<serde_json::Value>();
        Self::log_in(gateway, &username, &email).await
    }

    /// Registers and no more; the username and e-mail address.
    pub async fn register(gateway: &str, name: &str) -> (String, String) {
        let username = unique(&format!("{name}_"));
        let email = format!("{username}@example.org");
        let body = json!({"email": email, "username": username, "password": PASSWORD, "display_name": name});
        Rest::open(gateway).post("/auth/register", body).await.created::<serde_json::Value>();
        (username, email)
    }

    /// A session of a new device.
    pub async fn log_in(gateway: &str, username: &str, email: &str) -> Self {
        let device_id = fresh_uuid();
        let device = json!({"id": device_id, "name": "Test device", "platform": "linux"});
        let body = json!({"login": email, "password": PASSWORD, "device": device});
        let login: LoginResponse = Rest::open(gateway).post("/auth/login", body).await.ok();
        let tokens = login.tokens.expect("a login gives tokens");
        Self {
            user_id: login.user.expect("a login gives the user").id,
            username: username.to_owned(),
            email: email.to_owned(),
            device_id,
            rest: Rest::open(gateway).with_token(&tokens.access_token),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            gateway: gateway.to_owned(),
        }
    }

    /// The direct chat with another person.
    pub async fn chat_with(&self, other: &Account) -> Chat {
        let created: CreateDirectChatResponse =
            self.rest.post("/chats", json!({"user_id": other.user_id})).await.created();
        created.chat.expect("the chat is returned")
    }

    /// Sends by REST and returns the committed message.
    pub async fn send(&self, chat_id: &str, client_message_id: &str, text: &str) -> Message {
        let sent: SendMessageResponse = self.try_send(chat_id, client_message_id, text).await.created();
        sent.message.expect("the message is returned")
    }

    /// Sends by REST, whatever the answer is.
    pub async fn try_send(&self, chat_id: &str, client_message_id: &str, text: &str) -> Answer {
        let body = json!({"client_message_id": client_message_id, "text": text});
        self.rest.post(&format!("/chats/{chat_id}/messages"), body).await
    }

    /// Every update of a chat, in as many pages as it takes.
    pub async fn whole_log(&self, chat_id: &str) -> Vec<godwit_contract::v1::Update> {
        let mut updates = Vec::new();
        loop {
            let after = updates.last().map_or(0, |update: &godwit_contract::v1::Update| update.seq);
            let answer = self.rest.get(&format!("/chats/{chat_id}/sync?after_seq={after}&limit=1000")).await;
            let page = answer.ok::<SyncChatResponse>().chat.expect("a page is returned");
            assert!(!page.reset, "the log was not rebuilt");
            updates.extend(page.updates);
            if !page.has_more {
                assert_eq!(
                    updates.last().map_or(0, |update| update.seq),
                    page.head_seq,
                    "the last page ends at the head"
                );
                return updates;
            }
        }
    }

    /// A live connection at the gateway of this session.
    pub async fn connect(&self, encoding: Encoding) -> Socket {
        self.connect_at(&self.gateway, encoding).await
    }

    /// A live connection at another gateway.
    pub async fn connect_at(&self, gateway: &str, encoding: Encoding) -> Socket {
        let mut socket = Socket::open(gateway, &self.access_token, encoding).await;
        let connected = socket.connected().await;
        assert_eq!(connected.user_id, self.user_id);
        assert_eq!(connected.device_id, self.device_id);
        socket
    }
}

/// Two people and their direct chat.
pub struct Pair {
    pub ada: Account,
    pub bob: Account,
    pub chat_id: String,
}

impl Pair {
    /// Ada is at the first gateway, Bob at the other one.
    pub async fn create(cluster: &TestCluster) -> Self {
        let (ada, bob) = tokio::join!(
            Account::create_at(cluster.gateway(), cluster.mailbox(), "ada"),
            Account::create_at(cluster.other_gateway(), cluster.mailbox(), "bob"),
        );
        let chat_id = ada.chat_with(&bob).await.id;
        Self { ada, bob, chat_id }
    }
}

/// A UUID (version 4) that a client makes.
pub fn fresh_uuid() -> String {
    let entropy: &dyn godwit_kernel::Entropy = &godwit_kernel::SystemEntropy;
    uuid::Builder::from_random_bytes(entropy.bytes()).into_uuid().to_string()
}
