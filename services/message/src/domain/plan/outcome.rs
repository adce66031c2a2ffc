use std::collections::{HashMap, HashSet};

use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use time::OffsetDateTime;

use crate::domain::{Cursors, Emoji, Entity, Head, Message, MessageText, Outcome, Participant, Placed, ReactionCount};

/// What is to be written for a batch, and what its callers are told once it is committed.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    /// One for each entry, in the order of the batch.
    pub outcomes: Vec<Outcome>,
    /// The updates to be written, in the order in which they were numbered.
    pub updates: Vec<Planned>,
    /// The heads that move, as they will be.
    pub heads: Vec<Head>,
    /// What else changes.
    pub changes: Changes,
}

/// An update with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The entry that causes it, by its place in the batch.
    pub place: usize,
    /// In whose log.
    pub chat_id: ChatId,
    /// Where.
    pub placed: Placed,
    /// Who is named as its actor.
    pub actor_id: Option<UserId>,
    /// What it says.
    pub body: Body,
}

/// What an update says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// What the entry holds: a message, an event or a preview.
    AsAsked,
    /// The same, the removal of a member, and how far the others have come.
    WithReceipts(Vec<(UserId, Cursors)>),
    /// The message as it is now.
    Edited(Box<Message>),
    /// It is gone for everyone.
    Deleted(Seq),
    /// The reactions of a message now.
    Reactions {
        /// The message.
        seq: Seq,
        /// The actor's now.
        emoji: Option<Emoji>,
        /// All now.
        counts: Vec<ReactionCount>,
    },
    /// How far the actor has come.
    Receipt(Cursors),
    /// The pins of the chat now.
    Pins {
        /// What was pinned or unpinned.
        seq: Seq,
        /// Which of the two.
        is_pinned: bool,
        /// All now, the newest pin first.
        pinned: Vec<Seq>,
    },
    /// In a person's own log: a message is gone for them.
    Hidden(MessageId),
    /// In a person's own log: a chat's messages up to a seq are gone for them.
    Cleared(ChatId, Seq),
    /// In a person's own log: how far they have read.
    OwnRead(ChatId, Seq),
    /// In a person's own log: what they reacted where the chat does not tell.
    OwnReaction(MessageId, Option<Emoji>),
}

/// The rows that change beside messages, updates and heads.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The messages that were there before and are others now.
    pub messages: HashMap<MessageId, Message>,
    /// Of them, those that are deleted for everyone by this batch.
    pub erased: HashSet<MessageId>,
    /// What edited messages said before.
    pub versions: Vec<VersionRow>,
    /// Updates that hold the content of a message, besides the one that created it.
    pub content_updates: Vec<(MessageId, Seq)>,
    /// Whom messages mention from now on, of those for whom it changes.
    pub mentions: HashMap<MessageId, Vec<UserId>>,
    /// What people react from now on.
    pub reactions: HashMap<(MessageId, UserId), ReactionChange>,
    /// Where members stand from now on; `None` when they are no members any more.
    pub participants: HashMap<(ChatId, UserId), Option<Participant>>,
    /// The updates that pinned messages; `None` when they are pinned no more.
    pub pins: HashMap<MessageId, Option<Seq>>,
    /// Messages that somebody deleted for themselves.
    pub hidden: HashSet<(MessageId, UserId)>,
    /// Chats of which some members may not see what is before an update.
    pub hidden_until: HashMap<ChatId, Seq>,
    /// Chats of which nothing is to be left.
    pub purges: Vec<ChatId>,
}

/// What an edited message said before.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// The message.
    pub id: MessageId,
    /// 0 is the one that was sent.
    pub version: u32,
    /// What it said.
    pub text: MessageText,
    /// Its parts with a meaning.
    pub entities: Vec<Entity>,
    /// When it was sent or edited so.
    pub written_at: OffsetDateTime,
}

/// A reaction from now on.
#[derive(Clone, Debug)]
pub struct ReactionChange {
    /// `None` when it is taken away.
    pub emoji: Option<Emoji>,
    /// When.
    pub at: OffsetDateTime,
}

impl Changes {
    /// Whether anything changes.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.mentions.is_empty()
            && self.participants.is_empty()
            && self.pins.is_empty()
            && self.hidden.is_empty()
            && self.hidden_until.is_empty()
            && self.purges.is_empty()
    }

    /// Takes out what entries before the deletion of a message in the same batch had done to it.
    pub(super) fn forget_erased(&mut self) {
        let Self { erased, versions, content_updates, reactions, pins, .. } = self;
        if erased.is_empty() {
            return;
        }
        versions.retain(|row| !erased.contains(&row.id));
        content_updates.retain(|(id, _)| !erased.contains(id));
        reactions.retain(|(id, _), _| !erased.contains(id));
        pins.retain(|id, _| !erased.contains(id));
    }
}
