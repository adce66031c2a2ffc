use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use godwit_contract::message::v1::{ChatUpdates, SendMessageRequest, SyncChatRequest};
use godwit_contract::v1::client_frame::Frame as ClientFrame;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{
    AckFrame, ChatCursor, RefreshedFrame, SendMessageFrame, ServerFrame, SyncFrame, SyncedFrame,
};
use godwit_kernel::ChatId;
use godwit_rpc::{Failure, parse_id, timestamp, to_status};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tracing::Instrument as _;

use super::frames::{self, Malformed, Received, Wire};
use super::socket::Socket;
use crate::Error;
use crate::edge::Edge;
use crate::identity::Identity;

/// Frames of one connection that are being worked on or wait for an earlier one; with more, nothing is read.
const PENDING_MAX: usize = 64;
/// The most cursors of one sync frame.
const CURSORS_MAX: usize = 100;
/// Calls for one sync frame at the same time.
const SYNC_CONCURRENCY: usize = 4;

type Work<'a> = Pin<Box<dyn Future<Output = Option<ChatId>> + 'a>>;

/// What a client asked over one connection and did not get yet.
///
/// Frames are worked on side by side, but messages to one chat one after the other, so that they keep their order.
pub struct Requests<'a> {
    edge: &'a Arc<Edge>,
    socket: &'a Arc<Socket>,
    metadata: Arc<MetadataMap>,
    /// Each gives the chat whose next message may be sent.
    working: FuturesUnordered<Work<'a>>,
    /// Messages that wait for one before them; a chat is here while one of its messages is being sent.
    lanes: HashMap<ChatId, VecDeque<(String, SendMessageFrame)>>,
    waiting: usize,
}

impl<'a> Requests<'a> {
    /// Nothing asked yet. Calls carry `metadata`.
    pub fn new(edge: &'a Arc<Edge>, socket: &'a Arc<Socket>, metadata: MetadataMap) -> Self {
        Self {
            edge,
            socket,
            metadata: Arc::new(metadata),
            working: FuturesUnordered::new(),
            lanes: HashMap::new(),
            waiting: 0,
        }
    }

    /// Whether one more may be read.
    pub fn has_room(&self) -> bool {
        self.working.len() + self.waiting < PENDING_MAX
    }

    /// Whether nothing is being worked on.
    pub fn is_idle(&self) -> bool {
        self.working.is_empty()
    }

    /// Works on until one is done.
    pub async fn work(&mut self) {
        if let Some(Some(chat)) = self.working.next().await {
            self.send_next(chat);
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
            Some(ClientFrame::Sync(sync)) => {
                count("sync");
                self.begin_sync(id, sync);
            }
            Some(ClientFrame::Pong(_)) => count("pong"),
            Some(ClientFrame::Refresh(refresh)) => {
                count("refresh");
                return self.refresh(id, &refresh.access_token, identity).await;
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
        if let Some(lane) = self.lanes.get_mut(&chat) {
            lane.push_back((id, message));
            self.waiting += 1;
        } else {
            self.lanes.insert(chat, VecDeque::new());
            self.send(chat, id, message);
        }
    }

    fn send_next(&mut self, chat: ChatId) {
        match self.lanes.get_mut(&chat).and_then(VecDeque::pop_front) {
            Some((id, message)) => {
                self.waiting -= 1;
                self.send(chat, id, message);
            }
            None => {
                self.lanes.remove(&chat);
            }
        }
    }

    fn send(&self, chat: ChatId, id: String, message: SendMessageFrame) {
        let (edge, socket, metadata) = (self.edge, self.socket, Arc::clone(&self.metadata));
        let SendMessageFrame { client_message_id, text, .. } = message;
        let request = SendMessageRequest { chat_id: chat.to_string(), client_message_id, text };
        let span = tracing::info_span!("socket", otel.name = "gateway.send_message", chat.id = %chat);
        let work = async move {
            let answer = match edge.services.send_message(chat, request, &metadata).await {
                Ok(message) => frames::answer(&id, Frame::Ack(AckFrame { message: Some(message) })),
                Err(status) => frames::error(&id, &Failure::from_status(&status)),
            };
            answer_with(socket, &answer).await;
            Some(chat)
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    fn begin_sync(&self, id: String, sync: SyncFrame) {
        let asked = sync.cursors.len();
        if asked == 0 || asked > CURSORS_MAX {
            let detail = format!("cursors: 1 to {CURSORS_MAX}");
            return self.refuse(id, Failure::new(Code::InvalidArgument, "INVALID_ARGUMENT", detail));
        }
        let (edge, socket, metadata) = (self.edge, self.socket, Arc::clone(&self.metadata));
        let span = tracing::info_span!("socket", otel.name = "gateway.sync", chats = asked);
        let work = async move {
            let (id, metadata) = (&id, &metadata);
            let answers = sync.cursors.into_iter().map(|cursor| async move {
                match sync_one(edge, cursor, metadata).await {
                    Ok(synced) => frames::answer(id, Frame::Synced(synced)),
                    Err(status) => frames::error(id, &Failure::from_status(&status)),
                }
            });
            let mut answers = futures_util::stream::iter(answers).buffered(SYNC_CONCURRENCY);
            while let Some(answer) = answers.next().await {
                // Waits while the client does not read: so no more pages are fetched than it takes.
                answer_with(socket, &answer).await;
            }
            None
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    async fn refresh(&self, id: String, token: &str, identity: &Identity) -> Option<Identity> {
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

    fn refuse(&self, id: String, failure: Failure) {
        metrics::counter!("gateway_frames_refused_total").increment(1);
        self.answer(frames::error(&id, &failure));
    }

    /// Answers in turn with the rest: refusals wait for a slow client as all else does.
    fn answer(&self, answer: ServerFrame) {
        let socket = self.socket;
        self.working.push(Box::pin(async move {
            answer_with(socket, &answer).await;
            None
        }));
    }
}

async fn answer_with(socket: &Socket, answer: &ServerFrame) {
    socket.outbox.push_answer(Wire::encode(answer, socket.outbox.encoding())).await;
}

async fn sync_one(edge: &Edge, cursor: ChatCursor, metadata: &MetadataMap) -> Result<SyncedFrame, Status> {
    let ChatCursor { chat_id, after_seq, epoch } = cursor;
    let chat = parse_id::<ChatId>("cursors.chat_id", &chat_id).map_err(to_status)?;
    let request = SyncChatRequest { chat_id, after_seq, limit: 0, epoch };
    let ChatUpdates { chat_id, updates, head_seq, epoch, has_more, reset } =
        edge.services.sync_chat(chat, request, metadata).await?;
    Ok(SyncedFrame { chat_id, updates, head_seq, epoch, has_more, reset })
}

fn count(kind: &'static str) {
    metrics::counter!("gateway_frames_received_total", "kind" => kind).increment(1);
}
