use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use godwit_contract::message::v1::{ChatUpdates, OutgoingMessage, SyncChatRequest};
use godwit_contract::v1::client_frame::Frame as ClientFrame;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{
    AckFrame, CallSignalFrame, ChatCursor, DoneFrame, PresenceStatus, RefreshedFrame, SendMessageFrame, ServerFrame,
    SyncFrame, SyncedFrame,
};
use godwit_kernel::ChatId;
use godwit_kernel::limits::SEND_MESSAGES_MAX;
use godwit_live::TokenBucket;
use godwit_rpc::{EdgeRequest, Failure, parse_id, timestamp, to_status};
use tonic::Code;
use tonic::metadata::MetadataMap;
use tracing::Instrument as _;

use super::actions::Action;
use super::frames::{self, Malformed, Received, Wire};
use super::notices::Notice;
use super::people::{Activity, Seat};
use super::socket::Socket;
use crate::Error;
use crate::edge::Edge;
use crate::identity::Identity;
use crate::limits::{Bucket, Class};

/// Frames of one connection that are being worked on or wait for an earlier one; with more, nothing is read.
const PENDING_MAX: usize = 64;
/// The most cursors of one sync frame.
const CURSORS_MAX: usize = 100;
/// Calls for one sync frame at the same time.
const SYNC_CONCURRENCY: usize = 4;

/// Messages that go together have no more text than this, in bytes.
const BATCH_TEXT_BYTES: usize = 512 * 1024;

/// What one connection may say that is only passed on: a call begins with some dozens of signals at once.
const NOTICES: TokenBucket = TokenBucket { capacity: 100, refill_per_sec: 10.0 };

type Work<'a> = Pin<Box<dyn Future<Output = Done> + 'a>>;

/// What was worked on.
struct Done {
    /// How many frames.
    frames: usize,
    /// Where the next may go.
    lane: Option<Lane>,
}

impl Done {
    const ONE: Self = Self { frames: 1, lane: None };
}

/// What goes in turn.
enum Lane {
    /// Messages to a chat.
    Chat(ChatId),
    /// What is said to the other side of a call.
    Signals,
    /// What is caught up with: an answer is large.
    Syncs,
}

/// What a client asked over one connection and did not get yet.
///
/// Frames are worked on side by side, but messages to one chat in turn, so that they keep their order: what came while
/// some were being sent goes together next. So do signals of calls, one after the other: a candidate must not overtake the
/// description that it belongs to. And so do sync frames: what waits for a client that reads slowly is one frame's answers.
pub struct Requests<'a> {
    edge: &'a Arc<Edge>,
    socket: &'a Arc<Socket>,
    from: EdgeRequest<'a>,
    /// What calls carry, from the first of them on: who only listens has none.
    metadata: OnceCell<Arc<MetadataMap>>,
    working: FuturesUnordered<Work<'a>>,
    /// Messages that wait for those before them; a chat is here while messages of it are being sent.
    lanes: HashMap<ChatId, VecDeque<(String, SendMessageFrame)>>,
    /// Signals that wait for the one before them; there while one is being passed on.
    signals: Option<VecDeque<(String, CallSignalFrame)>>,
    /// Sync frames that wait for the one before them; there while one is being worked on.
    syncs: Option<VecDeque<(String, SyncFrame)>>,
    /// Frames that were taken and are not done.
    pending: usize,
    /// Of what is only passed on.
    budget: Bucket,
    _seat: Seat<'a>,
}

impl<'a> Requests<'a> {
    /// Nothing asked yet. Calls carry where they are `from`.
    pub fn new(edge: &'a Arc<Edge>, socket: &'a Arc<Socket>, from: EdgeRequest<'a>) -> Self {
        Self {
            edge,
            socket,
            from,
            metadata: OnceCell::new(),
            working: FuturesUnordered::new(),
            lanes: HashMap::new(),
            signals: None,
            syncs: None,
            pending: 0,
            budget: Bucket::new(NOTICES),
            _seat: edge.hub.people.enter(socket),
        }
    }

    fn metadata(&self) -> Arc<MetadataMap> {
        let make = || Arc::new(MetadataMap::from_headers(self.from.metadata(&http::HeaderMap::new())));
        Arc::clone(self.metadata.get_or_init(make))
    }

    /// Whether one more may be read.
    pub fn has_room(&self) -> bool {
        self.pending < PENDING_MAX
    }

    /// Whether nothing is being worked on.
    pub fn is_idle(&self) -> bool {
        self.working.is_empty()
    }

    /// Works on until one is done.
    pub async fn work(&mut self) {
        let Some(done) = self.working.next().await else { return };
        self.pending = self.pending.saturating_sub(done.frames);
        match done.lane {
            Some(Lane::Chat(chat)) => self.send_next(chat),
            Some(Lane::Signals) => self.signal_next(),
            Some(Lane::Syncs) => self.sync_next(),
            None => {}
        }
    }

    /// Takes a frame; what it asks is done by [`Self::work`]. Gives the identity of a new access token.
    pub async fn begin(&mut self, received: &Received, identity: &Identity) -> Option<Identity> {
        let encoding = self.socket.outbox.encoding();
        let (id, kind) = match frames::decode(received, encoding) {
            Ok(frame) => (frame.id, frame.frame),
            Err(Malformed { id, failure }) => {
                count("malformed");
                self.refuse(id, failure);
                return None;
            }
        };
        match kind {
            Some(ClientFrame::SendMessage(message)) => {
                count("send_message");
                self.begin_send(id, message);
            }
            Some(ClientFrame::EditMessage(edit)) => {
                count("edit_message");
                self.begin_action(id, Action::Edit(edit));
            }
            Some(ClientFrame::DeleteMessage(delete)) => {
                count("delete_message");
                self.begin_action(id, Action::Delete(delete));
            }
            Some(ClientFrame::React(react)) => {
                count("react");
                self.begin_action(id, Action::React(react));
            }
            Some(ClientFrame::Read(read)) => {
                count("read");
                self.begin_action(id, Action::Read(read));
            }
            Some(ClientFrame::Delivered(delivered)) => {
                count("delivered");
                self.begin_action(id, Action::Delivered(delivered));
            }
            Some(ClientFrame::Sync(sync)) => {
                count("sync");
                self.begin_sync(id, sync);
            }
            Some(ClientFrame::Pong(_)) => count("pong"),
            Some(ClientFrame::Refresh(refresh)) => {
                count("refresh");
                return Box::pin(self.refresh(id, &refresh.access_token, identity)).await;
            }
            Some(ClientFrame::Typing(typing)) => {
                count("typing");
                self.begin_notice(id, Notice::Typing(typing));
            }
            Some(ClientFrame::Presence(presence)) => {
                count("presence");
                self.note_activity(id, presence.status());
            }
            Some(ClientFrame::WatchPresence(watch)) => {
                count("watch_presence");
                self.begin_notice(id, Notice::Watch(watch));
            }
            Some(ClientFrame::CallSignal(signal)) => {
                count("call_signal");
                self.begin_signal(id, signal);
            }
            None => {
                count("empty");
                let failure = Failure::new(Code::InvalidArgument, "UNKNOWN_FRAME", "The frame has no known content.");
                self.refuse(id, failure);
            }
        }
        None
    }

    fn begin_send(&mut self, id: String, message: SendMessageFrame) {
        let chat = match parse_id::<ChatId>("chat_id", &message.chat_id) {
            Ok(chat) => chat,
            Err(error) => return self.refuse(id, Failure::from_status(&to_status(error))),
        };
        self.pending += 1;
        if let Some(lane) = self.lanes.get_mut(&chat) {
            lane.push_back((id, message));
        } else {
            self.lanes.insert(chat, VecDeque::new());
            self.send(chat, vec![(id, message)]);
        }
    }

    fn send_next(&mut self, chat: ChatId) {
        let Some(lane) = self.lanes.get_mut(&chat) else { return };
        let mut batch: Vec<(String, SendMessageFrame)> = Vec::new();
        let mut bytes = 0;
        while let Some((id, message)) = lane.pop_front() {
            bytes += message.text.len();
            if !batch.is_empty() && (bytes > BATCH_TEXT_BYTES || batch.len() == SEND_MESSAGES_MAX) {
                lane.push_front((id, message));
                break;
            }
            batch.push((id, message));
        }
        if batch.is_empty() {
            self.lanes.remove(&chat);
        } else {
            self.send(chat, batch);
        }
    }

    fn send(&self, chat: ChatId, batch: Vec<(String, SendMessageFrame)>) {
        let (edge, socket, metadata) = (self.edge, self.socket, self.metadata());
        let frames = batch.len();
        let span =
            tracing::info_span!("socket", otel.name = "gateway.send_messages", chat.id = %chat, messages = frames);
        let work = async move {
            let (ids, messages): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|(id, message)| (id, outgoing(message))).unzip();
            match edge.services.send_messages(chat, messages, &metadata).await {
                Ok(results) => {
                    for (id, result) in ids.iter().zip(results) {
                        let answer = match result {
                            Ok(message) => frames::answer(id, Frame::Ack(AckFrame { message: Some(message) })),
                            Err(failure) => frames::error(id, &failure),
                        };
                        answer_with(socket, &answer).await;
                    }
                }
                Err(status) => {
                    let failure = Failure::from_status(&status);
                    for id in &ids {
                        answer_with(socket, &frames::error(id, &failure)).await;
                    }
                }
            }
            Done { frames, lane: Some(Lane::Chat(chat)) }
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    /// What is done to messages and cursors is done side by side with all else: each change stands for itself.
    fn begin_action(&mut self, id: String, action: Action) {
        let (edge, socket, metadata) = (self.edge, self.socket, self.metadata());
        let span = tracing::info_span!("socket", otel.name = "gateway.act");
        self.pending += 1;
        let work = async move {
            let answer = match action.run(&edge.services, &metadata).await {
                Ok(frame) => frames::answer(&id, frame),
                Err(status) => frames::error(&id, &Failure::from_status(&status)),
            };
            answer_with(socket, &answer).await;
            Done::ONE
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    /// What is only passed on is side by side with all else.
    fn begin_notice(&mut self, id: String, notice: Notice) {
        if self.take_budget(&id) {
            self.pass_on(id, notice, Done::ONE);
        }
    }

    fn begin_signal(&mut self, id: String, signal: CallSignalFrame) {
        if !self.take_budget(&id) {
            return;
        }
        match &mut self.signals {
            Some(waiting) => waiting.push_back((id, signal)),
            None => {
                self.signals = Some(VecDeque::new());
                self.signal(id, signal);
            }
        }
    }

    fn signal_next(&mut self) {
        match self.signals.as_mut().and_then(VecDeque::pop_front) {
            Some((id, signal)) => self.signal(id, signal),
            None => self.signals = None,
        }
    }

    fn signal(&self, id: String, signal: CallSignalFrame) {
        self.pass_on(id, Notice::Signal(signal), Done { frames: 1, lane: Some(Lane::Signals) });
    }

    /// Whether what is only passed on is taken: not when there is too much of it.
    fn take_budget(&mut self, id: &str) -> bool {
        match self.budget.take() {
            Ok(()) => {
                self.pending += 1;
                true
            }
            Err(retry_after) => {
                self.refuse(id.to_owned(), Error::RateLimited { retry_after }.into());
                false
            }
        }
    }

    /// An answer that says nothing is given only to a frame with an id: most of these need none.
    fn pass_on(&self, id: String, notice: Notice, done: Done) {
        let (edge, socket, metadata) = (self.edge, self.socket, self.metadata());
        let span = tracing::info_span!("socket", otel.name = "gateway.pass_on");
        let work = async move {
            match notice.run(edge, socket, &metadata).await {
                Ok(Frame::Done(_)) if id.is_empty() => {}
                Ok(frame) => answer_with(socket, &frames::answer(&id, frame)).await,
                Err(failure) => answer_with(socket, &frames::error(&id, &failure)).await,
            }
            done
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    fn note_activity(&mut self, id: String, status: PresenceStatus) {
        let activity = match status {
            PresenceStatus::Online => Activity::Active,
            PresenceStatus::Away => Activity::Away,
            PresenceStatus::Unspecified | PresenceStatus::Offline => {
                let detail = "status: is neither online nor away";
                return self.refuse(id, Failure::new(Code::InvalidArgument, "INVALID_ARGUMENT", detail));
            }
        };
        if let Err(retry_after) = self.budget.take() {
            return self.refuse(id, Error::RateLimited { retry_after }.into());
        }
        self.edge.hub.people.set_activity(self.socket, activity);
        if !id.is_empty() {
            self.answer(frames::answer(&id, Frame::Done(DoneFrame {})));
        }
    }

    fn begin_sync(&mut self, id: String, sync: SyncFrame) {
        let asked = sync.cursors.len();
        if asked == 0 || asked > CURSORS_MAX {
            let detail = format!("cursors: 1 to {CURSORS_MAX}");
            return self.refuse(id, Failure::new(Code::InvalidArgument, "INVALID_ARGUMENT", detail));
        }
        self.pending += 1;
        match &mut self.syncs {
            Some(waiting) => waiting.push_back((id, sync)),
            None => {
                self.syncs = Some(VecDeque::new());
                self.sync(id, sync);
            }
        }
    }

    fn sync_next(&mut self) {
        match self.syncs.as_mut().and_then(VecDeque::pop_front) {
            Some((id, sync)) => self.sync(id, sync),
            None => self.syncs = None,
        }
    }

    fn sync(&self, id: String, sync: SyncFrame) {
        let (edge, socket, metadata) = (self.edge, self.socket, self.metadata());
        let span = tracing::info_span!("socket", otel.name = "gateway.sync", chats = sync.cursors.len());
        let work = async move {
            let (id, metadata) = (&id, &metadata);
            let answers = sync.cursors.into_iter().map(|cursor| async move {
                match sync_one(edge, cursor, metadata).await {
                    Ok(synced) => frames::answer(id, Frame::Synced(synced)),
                    Err(failure) => frames::error(id, &failure),
                }
            });
            let mut answers = futures_util::stream::iter(answers).buffered(SYNC_CONCURRENCY);
            while let Some(answer) = answers.next().await {
                // Waits while the client does not read: so no more pages are fetched than it takes.
                answer_with(socket, &answer).await;
            }
            Done { frames: 1, lane: Some(Lane::Syncs) }
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    async fn refresh(&mut self, id: String, token: &str, identity: &Identity) -> Option<Identity> {
        let renewed = match self.edge.authenticator.authenticate(token).await {
            Ok(renewed) if renewed.caller == identity.caller => renewed,
            Ok(_) => {
                self.refuse(id, Error::OtherSession.into());
                return None;
            }
            Err(error) => {
                self.refuse(id, error.into());
                return None;
            }
        };
        let refreshed = RefreshedFrame { token_expires_at: Some(timestamp(renewed.expires_at)) };
        self.answer(frames::answer(&id, Frame::Refreshed(refreshed)));
        Some(renewed)
    }

    fn refuse(&mut self, id: String, failure: Failure) {
        metrics::counter!("gateway_frames_refused_total").increment(1);
        self.answer(frames::error(&id, &failure));
    }

    /// Answers in turn with the rest: refusals wait for a slow client as all else does.
    fn answer(&mut self, answer: ServerFrame) {
        self.pending += 1;
        let socket = self.socket;
        self.working.push(Box::pin(async move {
            answer_with(socket, &answer).await;
            Done::ONE
        }));
    }
}

fn outgoing(message: SendMessageFrame) -> OutgoingMessage {
    let SendMessageFrame { chat_id: _, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } =
        message;
    OutgoingMessage { client_message_id, text, entities, media_ids, reply_to_message_id, is_silent }
}

async fn answer_with(socket: &Socket, answer: &ServerFrame) {
    socket.outbox.push_answer(Wire::encode(answer, socket.outbox.encoding())).await;
}

/// In the room of those who catch up by HTTPS: a turn is held for as long as the call takes, not for as long as its answer waits
/// for the client.
async fn sync_one(edge: &Edge, cursor: ChatCursor, metadata: &MetadataMap) -> Result<SyncedFrame, Failure> {
    let ChatCursor { chat_id, after_seq, epoch } = cursor;
    let chat =
        parse_id::<ChatId>("cursors.chat_id", &chat_id).map_err(|error| Failure::from_status(&to_status(error)))?;
    let request = SyncChatRequest { chat_id, after_seq, limit: 0, epoch };
    let place = edge.rooms.of(Class::Sync).place(&*edge.entropy)?;
    let _turn = place.turn(&*edge.entropy).await?;
    let synced = edge.services.sync_chat(chat, request, metadata).await;
    let ChatUpdates { chat_id, updates, head_seq, epoch, has_more, reset } =
        synced.map_err(|status| Failure::from_status(&status))?;
    Ok(SyncedFrame { chat_id, updates, head_seq, epoch, has_more, reset })
}

fn count(kind: &'static str) {
    metrics::counter!("gateway_frames_received_total", "kind" => kind).increment(1);
}
