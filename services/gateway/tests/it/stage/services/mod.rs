//! Stand-ins for what the gateway calls, one room a service.

mod auth;
mod calls;
mod chat;
mod message;
mod presence;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use godwit_contract::auth::v1::ListRevocationsRequest;
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::auth::v1::auth_service_server::AuthServiceServer;
use godwit_contract::auth::v1::user_service_server::UserServiceServer;
use godwit_contract::call::v1::call_relay_service_server::CallRelayServiceServer;
use godwit_contract::call::v1::{ConnectedDevice, RelaySignalRequest};
use godwit_contract::chat::v1::GetPostingPolicyResponse;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalServiceServer;
use godwit_contract::chat::v1::chat_service_server::ChatServiceServer;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalServiceServer;
use godwit_contract::message::v1::SendMessageRequest;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalServiceServer;
use godwit_contract::message::v1::message_service_server::MessageServiceServer;
use godwit_contract::message::v1::reaction_service_server::ReactionServiceServer;
use godwit_contract::message::v1::receipt_service_server::ReceiptServiceServer;
use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalServiceServer;
use godwit_contract::presence::v1::presence_watch_service_server::PresenceWatchServiceServer;
use godwit_contract::presence::v1::{ReportNodeRequest, WatchPresenceRequest};
use godwit_kernel::{ChatId, Clock as _, SessionId, UserId};
use godwit_rpc::Caller;
use godwit_testkit::TestClock;
use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tonic::service::Routes;
use tonic::{Response, Status};

use super::Signer;

pub(super) type Answer<T> = Result<Response<T>, Status>;

/// Stand-ins for all services, and what they were asked.
#[derive(Clone)]
pub struct Services {
    pub signer: Arc<Signer>,
    pub members: Arc<Mutex<BTreeMap<ChatId, HashSet<UserId>>>>,
    pub clock: Arc<TestClock>,
    /// Sessions that ended, and when.
    pub revoked: Arc<Mutex<BTreeMap<SessionId, OffsetDateTime>>>,
    /// What was asked of them.
    pub revocation_asks: Arc<Mutex<Vec<ListRevocationsRequest>>>,
    /// They are not told.
    pub hides_revocations: Arc<AtomicBool>,
    /// Nobody tells a user's chats.
    pub hides_chats: Arc<AtomicBool>,
    pub key_fetches: Arc<AtomicUsize>,
    /// The keys cannot be had.
    pub hides_keys: Arc<AtomicBool>,
    pub sent: Arc<Mutex<Vec<SendMessageRequest>>>,
    /// How many messages came together, each time.
    pub bunches: Arc<Mutex<Vec<usize>>>,
    /// A text that starts with `wait` takes one of these.
    pub sends: Arc<Semaphore>,
    /// A sync from the cursor `wait` takes one of these.
    pub syncs: Arc<Semaphore>,
    /// How many syncs of chats were asked for.
    pub syncs_asked: Arc<AtomicUsize>,
    /// Told when a text waits.
    pub held: Arc<Notify>,
    pub reports: Arc<Mutex<Vec<ReportNodeRequest>>>,
    /// The next report is answered by asking for all.
    pub ask_for_all: Arc<Mutex<bool>>,
    pub clients: Arc<Mutex<Vec<Option<std::net::IpAddr>>>>,
    /// What was done to messages and cursors.
    pub actions: Arc<Mutex<Vec<String>>>,
    /// With what deletions were proven.
    pub proofs: Arc<Mutex<Vec<String>>>,
    /// What members may do in chats that are not groups of three.
    pub policies: Arc<Mutex<BTreeMap<ChatId, GetPostingPolicyResponse>>>,
    pub policy_asks: Arc<AtomicUsize>,
    pub watches: Arc<Mutex<Vec<WatchPresenceRequest>>>,
    pub signals: Arc<Mutex<Vec<RelaySignalRequest>>>,
    pub devices: Arc<Mutex<Vec<ConnectedDevice>>>,
    pub files: super::media::Files,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            signer: Arc::default(),
            members: Arc::default(),
            clock: Arc::default(),
            revoked: Arc::default(),
            revocation_asks: Arc::default(),
            hides_revocations: Arc::default(),
            hides_chats: Arc::default(),
            key_fetches: Arc::default(),
            hides_keys: Arc::default(),
            sent: Arc::default(),
            bunches: Arc::default(),
            sends: Arc::new(Semaphore::new(0)),
            syncs: Arc::new(Semaphore::new(0)),
            syncs_asked: Arc::default(),
            held: Arc::default(),
            reports: Arc::default(),
            ask_for_all: Arc::default(),
            clients: Arc::default(),
            actions: Arc::default(),
            proofs: Arc::default(),
            policies: Arc::default(),
            policy_asks: Arc::default(),
            watches: Arc::default(),
            signals: Arc::default(),
            devices: Arc::default(),
            files: super::media::Files::default(),
        }
    }
}

impl Services {
    pub fn routes(&self) -> Routes {
        Routes::new(AuthServiceServer::new(self.clone()))
            .add_service(UserServiceServer::new(self.clone()))
            .add_service(AuthInternalServiceServer::new(self.clone()))
            .add_service(ChatServiceServer::new(self.clone()))
            .add_service(ChatInternalServiceServer::new(self.clone()))
            .add_service(MessageServiceServer::new(self.clone()))
            .add_service(MessageInternalServiceServer::new(self.clone()))
            .add_service(ReactionServiceServer::new(self.clone()))
            .add_service(ReceiptServiceServer::new(self.clone()))
            .add_service(PresenceInternalServiceServer::new(self.clone()))
            .add_service(PresenceWatchServiceServer::new(self.clone()))
            .add_service(CallRelayServiceServer::new(self.clone()))
            .add_service(
                MediaStreamInternalServiceServer::new(self.files.clone()).max_decoding_message_size(16 * 1024 * 1024),
            )
    }

    /// Ends a session now, and tells nobody.
    pub fn revoke(&self, caller: &Caller) {
        self.revoked.lock().insert(caller.session_id, self.clock.now());
    }

    pub fn add_member(&self, chat: ChatId, caller: &Caller) {
        self.members.lock().entry(chat).or_default().insert(caller.user_id);
    }

    pub fn remove_member(&self, chat: ChatId, caller: &Caller) {
        self.members.lock().entry(chat).or_default().remove(&caller.user_id);
    }
}
