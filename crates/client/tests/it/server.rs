use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use godwit_client::{Client, Options, Session};
use godwit_contract::auth::v1::{RefreshRequest, RefreshResponse, Tokens};
use godwit_contract::chat::v1::{GetChatResponse, ListChatsResponse};
use godwit_contract::message::v1::{SyncChatResponse, SyncRequest, SyncResponse};
use godwit_contract::v1::{
    AckFrame, ClientFrame, ConnectedFrame, ErrorFrame, RefreshedFrame, SendMessageFrame, ServerFrame, Update,
    client_frame, server_frame,
};
use godwit_kernel::{ChatId, Clock as _, SystemClock, SystemEntropy};
use http_body_util::Full;
use hyper::body::Bytes;
use parking_lot::Mutex;
use pbjson_types::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::account::Account;
use crate::wire::{accept, json, problem};

pub const SOON: Duration = Duration::from_secs(10);

/// What goes out on a socket.
pub enum Out {
    Frame(Box<ServerFrame>),
    Close(u16),
    /// The connection breaks without a word.
    Abort,
}

/// What becomes of the next messages that are sent, one each; then they are taken.
pub enum Fate {
    /// It is committed, its update delivered, and the connection breaks before the ack.
    LoseAck,
    /// It is refused with this status and not committed.
    Refuse(u32),
}

/// How an update reaches the sockets.
#[derive(Clone, Copy, Debug)]
pub enum Live {
    Once,
    Twice,
    Lost,
    /// With the next update that is delivered, after it.
    Late,
}

/// A server with one account.
pub struct Server {
    pub address: SocketAddr,
    pub account: Mutex<Account>,
    pub fates: Mutex<VecDeque<Fate>>,
    /// Client message ids in the order they arrived, resends too.
    pub arrived: Mutex<Vec<String>>,
    late: Mutex<Vec<Update>>,
    sockets: Mutex<Vec<mpsc::UnboundedSender<Out>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// How long a token lives that the server gives out.
    pub token_life_secs: Mutex<i64>,
    /// Its JSON has members that this version does not know.
    pub is_newer: AtomicBool,
}

impl Server {
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            account: Mutex::default(),
            fates: Mutex::default(),
            arrived: Mutex::default(),
            late: Mutex::default(),
            sockets: Mutex::default(),
            tasks: Mutex::default(),
            token_life_secs: Mutex::new(900),
            is_newer: AtomicBool::new(false),
        });
        server.account.lock().tokens.insert("token0".to_owned());
        server.account.lock().refresh_token = "refresh0".to_owned();
        server.spawn(accept(Arc::clone(&server), listener));
        server
    }

    /// A client that is logged in.
    pub fn client(&self) -> Client {
        let client = Client::new(Options::new(format!("http://{}", self.address).parse().unwrap())).unwrap();
        client.set_session(Some(Session {
            session_id: "s".to_owned(),
            user_id: "u".to_owned(),
            access_token: "token0".to_owned(),
            access_token_expires_at: SystemClock.now() + Duration::from_secs(900),
            refresh_token: "refresh0".to_owned(),
        }));
        client
    }

    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(work).abort_handle());
    }

    /// Nothing listens any more, and all connections break.
    pub fn stop(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        self.sockets.lock().clear();
    }

    /// Listens again where it did.
    pub async fn start_again(self: &Arc<Self>) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.spawn(accept(Arc::clone(self), listener));
    }

    /// Appends an update to a chat and delivers it.
    pub fn append(&self, chat: ChatId, live: Live) {
        let update = self.account.lock().append(&chat.to_string(), None);
        self.deliver(update, live);
    }

    fn deliver(&self, update: Update, live: Live) {
        match live {
            Live::Lost => {}
            Live::Late => self.late.lock().push(update),
            Live::Once | Live::Twice => {
                self.broadcast(server_frame::Frame::Update(update.clone()));
                if matches!(live, Live::Twice) {
                    self.broadcast(server_frame::Frame::Update(update));
                }
                for late in self.late.lock().drain(..) {
                    self.broadcast(server_frame::Frame::Update(late));
                }
            }
        }
    }

    pub fn broadcast(&self, frame: server_frame::Frame) {
        for socket in self.sockets.lock().iter() {
            socket.send(frame_out("", frame.clone())).ok();
        }
    }

    /// Closes every socket with this code.
    pub fn close(&self, code: u16) {
        for socket in self.sockets.lock().drain(..) {
            socket.send(Out::Close(code)).ok();
        }
    }

    /// Breaks every socket.
    pub fn break_off(&self) {
        for socket in self.sockets.lock().drain(..) {
            socket.send(Out::Abort).ok();
        }
    }

    pub fn call_count(&self, path: &str) -> usize {
        self.account.lock().calls.get(path).copied().unwrap_or_default()
    }

    /// Waits until a path was called more often than that.
    pub async fn called_again(&self, path: &str, before: usize) {
        let calling = async {
            while self.call_count(path) <= before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, calling).await.unwrap();
    }

    fn expires_at(&self) -> Option<Timestamp> {
        let at = SystemClock.now() + time::Duration::seconds(*self.token_life_secs.lock());
        Some(Timestamp { seconds: at.unix_timestamp(), nanos: 0 })
    }

    pub fn opened(&self, out: &mpsc::UnboundedSender<Out>) {
        let connected = ConnectedFrame {
            user_id: "u".to_owned(),
            device_id: "d".to_owned(),
            heartbeat_ms: 25_000,
            token_expires_at: self.expires_at(),
        };
        out.send(frame_out("", server_frame::Frame::Connected(connected))).ok();
        self.sockets.lock().push(out.clone());
    }

    pub fn take(&self, frame: ClientFrame, out: &mpsc::UnboundedSender<Out>) {
        match frame.frame.unwrap() {
            client_frame::Frame::SendMessage(send) => self.take_message(&frame.id, &send, out),
            client_frame::Frame::Refresh(refresh) => {
                assert!(self.account.lock().tokens.contains(&refresh.access_token));
                *self.token_life_secs.lock() = 900;
                let refreshed = RefreshedFrame { token_expires_at: self.expires_at() };
                out.send(frame_out(&frame.id, server_frame::Frame::Refreshed(refreshed))).ok();
            }
            other => panic!("{other:?}"),
        }
    }

    fn take_message(&self, id: &str, send: &SendMessageFrame, out: &mpsc::UnboundedSender<Out>) {
        self.arrived.lock().push(send.client_message_id.clone());
        let fate = self.fates.lock().pop_front();
        if let Some(Fate::Refuse(status)) = fate {
            let error = ErrorFrame { status, reason: "NO".to_owned(), retry_after_ms: 20, ..ErrorFrame::default() };
            out.send(frame_out(id, server_frame::Frame::Error(error))).ok();
            return;
        }
        let (message, update) = self.account.lock().send(&send.chat_id, &send.client_message_id, &send.text);
        if let Some(update) = update {
            self.deliver(update, Live::Once);
        }
        if matches!(fate, Some(Fate::LoseAck)) {
            self.break_off();
            return;
        }
        out.send(frame_out(id, server_frame::Frame::Ack(AckFrame { message: Some(message) }))).ok();
    }

    /// REST.
    pub fn answer(&self, path: &str, query: &str, body: &[u8]) -> http::Response<Full<Bytes>> {
        let mut account = self.account.lock();
        match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["auth", "refresh"] => {
                let request: RefreshRequest = serde_json::from_slice(body).unwrap();
                if request.refresh_token != account.refresh_token {
                    return problem(401, "REFRESH_TOKEN_REUSED");
                }
                account.refresh_count += 1;
                let access_token = format!("token{}", account.refresh_count);
                account.refresh_token = format!("refresh{}", account.refresh_count);
                account.tokens.insert(access_token.clone());
                let tokens = Tokens {
                    access_token,
                    access_token_expires_at: self.expires_at(),
                    refresh_token: account.refresh_token.clone(),
                    session_id: "s".to_owned(),
                };
                json(200, &RefreshResponse { tokens: Some(tokens) })
            }
            ["sync"] => {
                let request: SyncRequest = serde_json::from_slice(body).unwrap();
                // Small pages, so that paging is what the tests see.
                let state = account.state.clone().filter(|_| request.with_state);
                json(200, &SyncResponse { state, ..sync(&account, &request.cursor, 7) })
            }
            ["chats"] => {
                // Half of the chats are archived, by the last digit of their names.
                let is_archived = query.contains("is_archived=true");
                let listed =
                    account.chats.keys().filter(|chat| chat.ends_with(['1', '3', '5', '7', '9']) == is_archived);
                let chats = listed.filter_map(|chat| account.chat(chat)).collect();
                json(200, &ListChatsResponse { chats, next_cursor: String::new() })
            }
            ["chats", chat, ..] if account.failing.contains(*chat) => problem(503, "CHAT_NOT_READY"),
            ["chats", chat] if account.unloadable.contains(*chat) => problem(503, "CHAT_NOT_READY"),
            ["chats", chat] => match account.chat(chat) {
                Some(chat) => json(200, &GetChatResponse { chat: Some(chat) }),
                None => problem(404, "CHAT_NOT_FOUND"),
            },
            ["chats", chat, "sync"] => {
                let parameter = |name: &str| {
                    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
                };
                let after = parameter("after_seq").parse().unwrap_or(0);
                match account.page(chat, after, 5, parameter("epoch")) {
                    Some(page) => json(200, &SyncChatResponse { chat: Some(page) }),
                    None => problem(404, "CHAT_NOT_FOUND"),
                }
            }
            _ => problem(404, "NOT_FOUND"),
        }
    }
}

fn sync(account: &Account, cursor: &str, limit: usize) -> SyncResponse {
    if cursor.is_empty() {
        return SyncResponse { next_cursor: account.cursor_now().to_string(), ..SyncResponse::default() };
    }
    let Ok(cursor) = cursor.parse() else {
        return SyncResponse { next_cursor: account.cursor_now().to_string(), reset: true, ..SyncResponse::default() };
    };
    let (chats, next, has_more) = account.changes(cursor, limit);
    SyncResponse { chats, next_cursor: next.to_string(), has_more, ..SyncResponse::default() }
}

fn frame_out(id: &str, frame: server_frame::Frame) -> Out {
    Out::Frame(Box::new(ServerFrame { id: id.to_owned(), frame: Some(frame) }))
}

pub fn chat_id() -> ChatId {
    ChatId::generate(&SystemClock, &SystemEntropy)
}
