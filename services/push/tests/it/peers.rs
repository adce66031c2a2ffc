//! The services that push calls, as far as it calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse, ListRevocationsRequest,
    ListRevocationsResponse, ResolveUsernamesRequest, ResolveUsernamesResponse, Revocation,
};
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::listener_internal_service_server::ListenerInternalService;
use godwit_contract::chat::v1::{
    ChatListeners, CheckListenersRequest, CheckListenersResponse, GetPostingPolicyRequest, GetPostingPolicyResponse,
    ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest, ListDirectPeersResponse, ListMembersRequest,
    ListMembersResponse, Listener, ListenerQuery, OpenSavedMessagesRequest, OpenSavedMessagesResponse,
    SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, ChatRank, ClearHistoryRequest, ClearHistoryResponse,
    GetHeadsRequest, GetHeadsResponse, GetMessagesRequest, GetMessagesResponse, RaiseMembershipVersionRequest,
    RaiseMembershipVersionResponse, RankChatsRequest, RankChatsResponse, SendMessagesRequest, SendMessagesResponse,
};
use godwit_contract::presence::v1::foreground_internal_service_server::ForegroundInternalService;
use godwit_contract::presence::v1::{ListForegroundDevicesRequest, ListForegroundDevicesResponse};
use godwit_contract::v1::{ChatKind, Message, User};
use godwit_rpc::timestamp;
use time::OffsetDateTime;
use time::macros::datetime;
use tonic::{Request, Response, Status};

/// Members, or sessions, a page: fewer than a real service gives, so that there are pages.
const PAGE: usize = 2;

/// Chats of one request, as the message service takes them.
const HEADS_MAX: usize = 200;
/// When the chat with the members was active: after all others.
const LATELY: OffsetDateTime = datetime!(2100-01-01 00:00 UTC);

/// A chat that everybody is in besides.
#[derive(Clone)]
pub struct OtherChat {
    pub unread_count: u32,
    pub is_muted: bool,
    pub active_at: OffsetDateTime,
}

/// One chat with these members, and every user named after their id who was not deleted.
#[derive(Clone, Default)]
pub struct Peers {
    pub members: Arc<Mutex<BTreeSet<String>>>,
    pub deleted: Arc<Mutex<BTreeSet<String>>>,
    pub revoked_sessions: Arc<Mutex<BTreeSet<String>>>,
    /// The messages that are there, by id.
    pub messages: Arc<Mutex<BTreeMap<String, Message>>>,
    /// Who of them has muted the chat.
    pub muted: Arc<Mutex<BTreeSet<String>>>,
    /// Who came later than at the beginning of time.
    pub joined_at: Arc<Mutex<BTreeMap<String, OffsetDateTime>>>,
    /// Pairs of sender and recipient where one blocks the other.
    pub blocked: Arc<Mutex<BTreeSet<(String, String)>>>,
    /// Devices that are in front of their users.
    pub in_front: Arc<Mutex<BTreeSet<String>>>,
    /// Presence does not answer.
    pub is_presence_away: Arc<AtomicBool>,
    /// How often presence was asked.
    pub presence_asked: Arc<AtomicUsize>,
    /// How much of the chat people have not read.
    pub unread: Arc<Mutex<BTreeMap<String, u32>>>,
    /// Other chats, by id; the one above was active after them all.
    pub other_chats: Arc<Mutex<BTreeMap<String, OtherChat>>>,
    /// Kind and title of the chat, and whether its history is hidden from newcomers.
    pub facts: Arc<Mutex<(ChatKind, String, bool)>>,
    /// The pages of members that were given.
    pub pages: Arc<AtomicUsize>,
    /// How many members a page has, if as many are asked for; absent: two.
    pub page_size: Arc<Mutex<Option<usize>>>,
    /// The most members that were asked for at once.
    pub largest_page: Arc<AtomicUsize>,
    /// The most members of whom it was asked at once whether they have muted the chat.
    pub largest_check: Arc<AtomicUsize>,
    /// How many pages of members are given at most; absent: as many as are asked for.
    pub pages_max: Arc<Mutex<Option<usize>>>,
    /// The chat, where there is only one.
    pub chat_id: Arc<Mutex<String>>,
    /// Nobody answers.
    pub away: Arc<AtomicBool>,
    /// How often nobody answered.
    pub refused: Arc<AtomicUsize>,
}

impl Peers {
    fn answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(message))
    }
}

/// The display name of a user.
pub fn name_of(user_id: &str) -> String {
    format!("User {user_id}")
}

#[tonic::async_trait]
impl AuthInternalService for Peers {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let deleted = self.deleted.lock().unwrap().clone();
        let user = |id: String| match deleted.contains(&id) {
            // What a faulty answer says of them besides must not be told.
            true => User { display_name: name_of(&id), id, is_deleted: true, ..User::default() },
            false => User { display_name: name_of(&id), id, ..User::default() },
        };
        self.answer(GetUsersResponse { users: request.into_inner().user_ids.into_iter().map(user).collect() })
    }

    async fn resolve_usernames(
        &self,
        _: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let after = request.into_inner().after_session_id;
        let rest: Vec<String> =
            self.revoked_sessions.lock().unwrap().iter().filter(|id| **id > after).cloned().collect();
        let has_more = rest.len() > PAGE;
        let revocation = |session_id| Revocation { session_id, ..Revocation::default() };
        let revocations = rest.into_iter().take(PAGE).map(revocation).collect();
        self.answer(ListRevocationsResponse { revocations, has_more })
    }

    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let blocked = self.blocked.lock().unwrap();
        let answer = |pair: godwit_contract::auth::v1::AccessPair| {
            let is_allowed = !blocked.contains(&(pair.actor_id, pair.target_id));
            AccessAnswer { is_allowed, reason: if is_allowed { "" } else { "BLOCKED" }.to_owned() }
        };
        let answers = request.into_inner().pairs.into_iter().map(answer).collect();
        self.answer(CheckAccessResponse { answers })
    }
}

#[tonic::async_trait]
impl ListenerInternalService for Peers {
    async fn check_listeners(
        &self,
        request: Request<CheckListenersRequest>,
    ) -> Result<Response<CheckListenersResponse>, Status> {
        let (members, muted) = (self.members.lock().unwrap(), self.muted.lock().unwrap());
        let (joined_at, others) = (self.joined_at.lock().unwrap(), self.other_chats.lock().unwrap());
        let (kind, title, is_history_hidden) = self.facts.lock().unwrap().clone();
        let member = |chat_id: &str, user_id: String| Listener {
            joined_at: Some(timestamp(joined_at.get(&user_id).copied().unwrap_or(OffsetDateTime::UNIX_EPOCH))),
            is_muted: others.get(chat_id).map_or_else(|| muted.contains(&user_id), |chat| chat.is_muted),
            user_id,
        };
        let chat = |ListenerQuery { chat_id, user_ids }| ChatListeners {
            kind: kind.into(),
            title: title.clone(),
            is_history_visible: !is_history_hidden,
            members: user_ids.into_iter().filter(|id| members.contains(id)).map(|id| member(&chat_id, id)).collect(),
            chat_id,
        };
        let queries = request.into_inner().queries;
        let count = queries.iter().map(|query| query.user_ids.len()).sum();
        self.largest_check.fetch_max(count, Ordering::SeqCst);
        let chats = queries.into_iter().map(chat);
        self.answer(CheckListenersResponse { chats: chats.collect() })
    }
}

#[tonic::async_trait]
impl ForegroundInternalService for Peers {
    async fn list_foreground_devices(
        &self,
        _: Request<ListForegroundDevicesRequest>,
    ) -> Result<Response<ListForegroundDevicesResponse>, Status> {
        self.presence_asked.fetch_add(1, Ordering::SeqCst);
        if self.is_presence_away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let device_ids = self.in_front.lock().unwrap().iter().cloned().collect();
        self.answer(ListForegroundDevicesResponse { device_ids })
    }
}

#[tonic::async_trait]
impl ChatInternalService for Peers {
    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let pages_max = *self.pages_max.lock().unwrap();
        if pages_max.is_some_and(|max| self.pages.load(Ordering::SeqCst) >= max) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Status::unavailable("no more pages"));
        }
        self.pages.fetch_add(1, Ordering::SeqCst);
        let ListMembersRequest { after_user_id, limit, .. } = request.into_inner();
        self.largest_page.fetch_max(usize::try_from(limit).unwrap(), Ordering::SeqCst);
        let size = usize::try_from(limit).unwrap().min(self.page_size.lock().unwrap().unwrap_or(PAGE));
        let members = self.members.lock().unwrap();
        let rest = members.range::<String, _>((Bound::Excluded(&after_user_id), Bound::Unbounded));
        let mut user_ids: Vec<String> = rest.take(size + 1).cloned().collect();
        let has_more = user_ids.len() > size;
        user_ids.truncate(size);
        self.answer(ListMembersResponse { user_ids, has_more, kind: ChatKind::Direct.into() })
    }

    async fn get_posting_policy(
        &self,
        _: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn list_chat_ids(&self, _: Request<ListChatIdsRequest>) -> Result<Response<ListChatIdsResponse>, Status> {
        let mut chat_ids = vec![self.chat_id.lock().unwrap().clone()];
        chat_ids.extend(self.other_chats.lock().unwrap().keys().cloned());
        self.answer(ListChatIdsResponse { chat_ids, has_more: false })
    }

    async fn open_saved_messages(
        &self,
        _: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }
}

#[tonic::async_trait]
impl MessageInternalService for Peers {
    async fn get_messages(
        &self,
        request: Request<GetMessagesRequest>,
    ) -> Result<Response<GetMessagesResponse>, Status> {
        let messages = self.messages.lock().unwrap().clone();
        let found = request.into_inner().message_ids.iter().filter_map(|id| messages.get(id).cloned()).collect();
        self.answer(GetMessagesResponse { messages: found })
    }

    async fn append_update(&self, _: Request<AppendUpdateRequest>) -> Result<Response<AppendUpdateResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn raise_membership_version(
        &self,
        _: Request<RaiseMembershipVersionRequest>,
    ) -> Result<Response<RaiseMembershipVersionResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn send_messages(&self, _: Request<SendMessagesRequest>) -> Result<Response<SendMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        let GetHeadsRequest { chat_ids, viewer_id, .. } = request.into_inner();
        if chat_ids.len() > HEADS_MAX {
            return Err(Status::invalid_argument("too many chats"));
        }
        let (unread, others) = (self.unread.lock().unwrap(), self.other_chats.lock().unwrap());
        let head = |chat_id: String| {
            let other = others.get(&chat_id).map(|chat| chat.unread_count);
            let unread_count = other.or_else(|| unread.get(&viewer_id).copied()).unwrap_or(0);
            ChatHead { chat_id, unread_count, ..ChatHead::default() }
        };
        self.answer(GetHeadsResponse { heads: chat_ids.into_iter().map(head).collect() })
    }

    async fn rank_chats(&self, request: Request<RankChatsRequest>) -> Result<Response<RankChatsResponse>, Status> {
        let RankChatsRequest { mut chat_ids, limit, .. } = request.into_inner();
        let others = self.other_chats.lock().unwrap();
        let active_at = |id: &String| others.get(id).map_or(LATELY, |chat| chat.active_at);
        chat_ids.sort_by_key(|id| std::cmp::Reverse(active_at(id)));
        chat_ids.truncate(usize::try_from(limit).unwrap());
        let rank = |chat_id: String| ChatRank { active_at: Some(timestamp(active_at(&chat_id))), chat_id };
        self.answer(RankChatsResponse { ranks: chat_ids.into_iter().map(rank).collect() })
    }

    async fn clear_history(&self, _: Request<ClearHistoryRequest>) -> Result<Response<ClearHistoryResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }
}
