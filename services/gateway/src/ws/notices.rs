use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use godwit_contract::call::v1::RelaySignalRequest;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{LivePayload, Typing as LiveTyping};
use godwit_contract::presence::v1::WatchPresenceRequest;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{
    CallSignalFrame, DoneFrame, PresencesFrame, TypingAction, TypingEvent, TypingFrame, WatchPresenceFrame,
};
use godwit_kernel::{ChatId, UserId};
use godwit_live::Channel;
use godwit_rpc::{Failure, InvalidField, parse_id, to_status};
use prost::Message as _;
use tonic::metadata::MetadataMap;

use super::frames::notice;
use super::socket::Socket;
use super::typing::{Kind, SHOWN_FOR, Verdict};
use crate::edge::Edge;

/// The most people whom one connection has on screen.
const WATCHED_MAX: usize = 100;

/// What a client says that is kept nowhere.
pub enum Notice {
    Typing(TypingFrame),
    Watch(WatchPresenceFrame),
    Signal(CallSignalFrame),
}

impl Notice {
    /// Passes it on, and gives the answer.
    pub async fn run(self, edge: &Edge, socket: &Arc<Socket>, metadata: &MetadataMap) -> Result<Frame, Failure> {
        match self {
            Self::Typing(typing) => type_in_chat(edge, socket.caller.user_id, typing).await,
            Self::Watch(watch) => watch_people(edge, socket, watch).await,
            Self::Signal(CallSignalFrame { call_id, to_device_id, signal }) => {
                let signal = RelaySignalRequest { call_id, to_device_id, signal };
                let relayed = edge.services.relay_signal(signal, metadata).await;
                relayed.map_err(|status| Failure::from_status(&status))?;
                Ok(Frame::Done(DoneFrame {}))
            }
        }
    }
}

async fn type_in_chat(edge: &Edge, user: UserId, frame: TypingFrame) -> Result<Frame, Failure> {
    let chat = parse_id::<ChatId>("chat_id", &frame.chat_id).map_err(refusal)?;
    let (action, kind) = match TypingAction::try_from(frame.action) {
        Ok(TypingAction::Cancel) => (TypingAction::Cancel, Kind::Cancelled),
        Ok(TypingAction::Unspecified) => (TypingAction::Typing, Kind::Goes),
        Ok(action) => (action, Kind::Goes),
        Err(_) => return Err(refusal(InvalidField::new("action", "is not an action"))),
    };
    let outcome = if edge.hub.typing.is_due(chat, user, kind, Instant::now()) {
        match permission(edge, chat, user).await? {
            Verdict::Shown => publish_typing(edge, chat, user, action).await,
            Verdict::Hidden => "hidden",
            Verdict::Refused(failure) => {
                count("refused");
                return Err(*failure);
            }
        }
    } else {
        "early"
    };
    count(outcome);
    Ok(Frame::Done(DoneFrame {}))
}

fn count(outcome: &'static str) {
    metrics::counter!("gateway_typing_total", "outcome" => outcome).increment(1);
}

async fn permission(edge: &Edge, chat: ChatId, user: UserId) -> Result<Verdict, Failure> {
    let asked_at = Instant::now();
    if let Some(verdict) = edge.hub.typing.permission(chat, user, asked_at) {
        return Ok(verdict);
    }
    let policy = edge.services.posting_policy(chat, user).await;
    let verdict = Verdict::of(&policy.map_err(|status| Failure::from_status(&status))?);
    edge.hub.typing.remember(chat, user, asked_at, verdict.clone());
    Ok(verdict)
}

async fn publish_typing(edge: &Edge, chat: ChatId, user: UserId, action: TypingAction) -> &'static str {
    let expires_in_ms = match action {
        TypingAction::Cancel => 0,
        _ => u32::try_from(SHOWN_FOR.as_millis()).unwrap_or(u32::MAX),
    };
    let event =
        TypingEvent { chat_id: chat.to_string(), user_id: user.to_string(), action: action.into(), expires_in_ms };
    let server_frame = notice(Frame::Typing(event)).encode_to_vec().into();
    let typing = LiveTyping { user_id: user.to_string(), server_frame };
    let payload = LivePayload { payload: Some(Payload::Typing(typing)) }.encode_to_vec();
    match edge.live.publish(vec![(Channel::Chat(chat), payload.into())]).await {
        Ok(()) => "passed",
        Err(error) => {
            tracing::debug!(%error, "nobody is told of typing");
            "lost"
        }
    }
}

async fn watch_people(edge: &Edge, socket: &Arc<Socket>, frame: WatchPresenceFrame) -> Result<Frame, Failure> {
    if frame.user_ids.len() > WATCHED_MAX {
        return Err(refusal(InvalidField::new("user_ids", format!("names more than {WATCHED_MAX} users"))));
    }
    let mut people: Vec<UserId> = Vec::with_capacity(frame.user_ids.len());
    let mut known = HashSet::new();
    for id in &frame.user_ids {
        let person = parse_id("user_ids", id).map_err(refusal)?;
        if known.insert(person) {
            people.push(person);
        }
    }
    let unwatched = edge.hub.people.watch(socket, people.clone());
    let texts = |people: &[UserId]| people.iter().map(UserId::to_string).collect();
    let watch = WatchPresenceRequest {
        node_id: edge.node_id.to_string(),
        user_id: socket.caller.user_id.to_string(),
        watched_user_ids: texts(&people),
        unwatched_user_ids: texts(&unwatched),
    };
    let presences = edge.services.watch_presence(watch).await;
    let presences = presences.map_err(|status| Failure::from_status(&status))?;
    Ok(Frame::Presences(PresencesFrame { presences }))
}

fn refusal(error: InvalidField) -> Failure {
    Failure::from_status(&to_status(error))
}
