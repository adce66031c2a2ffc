//! How a batch is numbered, and what is written for it. Pure: what it must know is loaded before, once the heads are
//! locked.

mod acts;
mod log;
mod messages;
mod outcome;

#[cfg(test)]
mod tests;

pub use outcome::{BatchPlan, Body, Changes, Planned, ReactionChange, VersionRow};

use std::collections::HashMap;

use godwit_kernel::{ChatId, EventId, MessageId, Seq, UserId};
use time::OffsetDateTime;

use self::log::Logs;
use super::{
    Act, Action, Change, ClientMessageId, ContentHash, Cursors, Emoji, Entry, Head, Message, Outcome, Participant,
    Placed, Refusal,
};

/// What the store knows of an entry that was committed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierResult {
    /// Where it stands.
    pub seq: Seq,
    /// When it occurred; for messages only.
    pub occurred_at: Option<OffsetDateTime>,
    /// Of its content; for messages only, and no more once the message is deleted.
    pub content_hash: Option<ContentHash>,
    /// It is a message that is deleted.
    pub is_deleted: bool,
}

/// A pinned message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The message.
    pub seq: Seq,
    /// The update that pinned it.
    pub pinned_seq: Seq,
}

/// What is known when a batch is planned.
#[derive(Clone, Debug)]
pub struct Known {
    /// The log's clock, read after the heads were locked.
    pub now: OffsetDateTime,
    /// The locked heads of the batch's logs.
    pub heads: Vec<Head>,
    /// Of entries by their place in the batch.
    pub earlier: HashMap<usize, EarlierResult>,
    /// The messages that entries are about, also deleted ones.
    pub targets: Vec<Message>,
    /// What the actors have reacted to them.
    pub reactions: HashMap<(MessageId, UserId), Emoji>,
    /// Where the actors stand.
    pub participants: HashMap<(ChatId, UserId), Participant>,
    /// Of the chats in which something is pinned or unpinned.
    pub pins: HashMap<ChatId, Vec<Pin>>,
}

impl Known {
    /// Nothing but the heads.
    pub fn of(heads: Vec<Head>, now: OffsetDateTime) -> Self {
        Self {
            now,
            heads,
            earlier: HashMap::new(),
            targets: Vec::new(),
            reactions: HashMap::new(),
            participants: HashMap::new(),
            pins: HashMap::new(),
        }
    }
}

/// Numbers a batch, and says what is to be written for it.
pub fn plan_batch(entries: &[Entry], known: Known) -> BatchPlan {
    let Known { now, heads, earlier, targets, reactions, participants, pins } = known;
    let mut planner = Planner {
        logs: Logs::new(heads, now),
        earlier,
        asked: merge_cursors(entries),
        targets: targets.into_iter().map(|message| (message.id(), message)).collect(),
        reactions,
        participants,
        pins,
        messages: HashMap::new(),
        events: HashMap::new(),
        updates: Vec::with_capacity(entries.len()),
        changes: Changes::default(),
    };
    let outcomes = entries.iter().enumerate().map(|(place, entry)| planner.plan(place, entry)).collect();
    let Planner { logs, updates, mut changes, .. } = planner;
    changes.forget_erased();
    BatchPlan { outcomes, updates, heads: logs.into_moved(), changes }
}

/// How far each person is to come in each chat, over all entries of the batch: one update tells it.
fn merge_cursors(entries: &[Entry]) -> HashMap<(ChatId, UserId), Cursors> {
    let mut merged: HashMap<(ChatId, UserId), Cursors> = HashMap::new();
    for entry in entries {
        if let Change::Action(Action { actor_id, act: Act::Advance { cursors, .. }, .. }) = &entry.change {
            let asked = merged.entry((entry.chat_id, *actor_id)).or_default();
            asked.read_seq = asked.read_seq.max(cursors.read_seq);
            asked.delivered_seq = asked.delivered_seq.max(cursors.delivered_seq);
        }
    }
    merged
}

struct Planner<'a> {
    logs: Logs,
    earlier: HashMap<usize, EarlierResult>,
    asked: HashMap<(ChatId, UserId), Cursors>,
    /// As the entries so far leave them; likewise below.
    targets: HashMap<MessageId, Message>,
    reactions: HashMap<(MessageId, UserId), Emoji>,
    participants: HashMap<(ChatId, UserId), Participant>,
    pins: HashMap<ChatId, Vec<Pin>>,
    /// What earlier entries of this batch have taken.
    messages: HashMap<(ChatId, UserId, &'a ClientMessageId), (ContentHash, Placed)>,
    events: HashMap<(ChatId, EventId), Placed>,
    updates: Vec<Planned>,
    changes: Changes,
}

impl<'a> Planner<'a> {
    fn plan(&mut self, place: usize, entry: &'a Entry) -> Outcome {
        match &entry.change {
            Change::Message(message) => self.message(place, entry.chat_id, message),
            Change::Event(event) => self.event(place, entry.chat_id, event),
            Change::Action(action) => self.act(place, entry.chat_id, action),
            Change::Preview(preview) => self.preview(place, entry.chat_id, preview),
        }
    }

    /// Gives an update its place in a log.
    fn append(&mut self, place: usize, chat_id: ChatId, actor_id: Option<UserId>, body: Body) -> Option<Placed> {
        let placed = self.logs.place(chat_id)?;
        self.updates.push(Planned { place, chat_id, placed: placed.clone(), actor_id, body });
        Some(placed)
    }

    /// A message that is there and not deleted.
    fn target(&self, id: MessageId) -> Result<&Message, Refusal> {
        self.targets.get(&id).filter(|message| !message.is_deleted).ok_or(Refusal::MessageNotFound)
    }

    fn put_target(&mut self, message: Message) {
        self.targets.insert(message.id(), message.clone());
        self.changes.messages.insert(message.id(), message);
    }

    fn put_participant(&mut self, key: (ChatId, UserId), participant: Participant) {
        self.participants.insert(key, participant);
        self.changes.participants.insert(key, Some(participant));
    }
}
