//! What members do to what is there.

use godwit_kernel::{ChatId, MessageId, Seq, UserId};

use super::messages::next_edit;
use super::{Body, Pin, Planner, ReactionChange, VersionRow};
use crate::domain::{
    Act, Action, Cursors, Emoji, Extras, Message, NewEdit, Outcome, Participant, ReceiptAudience, Refusal, limits,
    own_log, recount,
};

/// What an entry comes to when it is not done.
type Stopped = Outcome;

impl Planner<'_> {
    pub(super) fn act(&mut self, place: usize, chat_id: ChatId, action: &Action) -> Outcome {
        match self.try_act(place, chat_id, action) {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    fn try_act(&mut self, place: usize, chat_id: ChatId, action: &Action) -> Result<Outcome, Stopped> {
        let head = self.logs.head(chat_id).ok_or(Outcome::NoLog)?;
        if action.policy_version < head.membership_version {
            return Err(Outcome::StalePolicy);
        }
        let who = Actor { place, chat_id, user_id: action.actor_id, stands: self.actor(chat_id, action)? };
        match &action.act {
            Act::Edit(edit) => self.edit(&who, edit),
            Act::Delete { seq, may_be_of_others } => self.delete(&who, *seq, *may_be_of_others),
            Act::React { seq, emoji, is_anonymous } => self.react(&who, *seq, emoji.as_ref(), *is_anonymous),
            Act::Advance { audience, .. } => self.advance(&who, *audience),
            Act::Pin { seq } => self.pin(&who, *seq),
            Act::Unpin { seq } => self.unpin(&who, *seq),
            Act::Hide { seq } => self.hide(&who, *seq),
            Act::Clear => self.clear(&who),
        }
    }

    fn actor(&self, chat_id: ChatId, action: &Action) -> Result<Participant, Stopped> {
        match self.participants.get(&(chat_id, action.actor_id)) {
            Some(participant) => Ok(*participant),
            None if action.may_be_absent => Ok(Participant::default()),
            None => Err(Outcome::NoLog),
        }
    }

    /// A message that the actor can see.
    fn seen(&self, who: &Actor, seq: Seq) -> Result<Message, Stopped> {
        let is_theirs = seq >= who.stands.visible_from_seq && seq > who.stands.cleared_seq;
        let message = self.target(who.message(seq)).map_err(Outcome::Refused)?;
        is_theirs.then(|| message.clone()).ok_or(Outcome::Refused(Refusal::MessageNotFound))
    }

    fn tell(&mut self, who: &Actor, body: Body) -> Result<super::Placed, Stopped> {
        self.append(who.place, who.chat_id, Some(who.user_id), body).ok_or(Outcome::NoLog)
    }

    fn tell_own(&mut self, who: &Actor, body: Body) -> Result<super::Placed, Stopped> {
        self.append(who.place, own_log(who.user_id), Some(who.user_id), body).ok_or(Outcome::NoOwnLog)
    }

    /// Before anything is placed: the actor's own log is there.
    fn check_own_log(&self, who: &Actor) -> Result<(), Stopped> {
        self.logs.head(own_log(who.user_id)).map(drop).ok_or(Outcome::NoOwnLog)
    }

    fn edit(&mut self, who: &Actor, edit: &NewEdit) -> Result<Outcome, Stopped> {
        let before = self.seen(who, edit.seq)?;
        self.check_edit(who, &before).map_err(Outcome::Refused)?;
        if before.text == edit.text && before.entities() == edit.entities {
            return Ok(Outcome::Edited(Box::new(before)));
        }
        let placed = self.logs.place(who.chat_id).ok_or(Outcome::NoLog)?;
        let mut extras: Extras = before.extras.as_deref().cloned().unwrap_or_default();
        extras.entities.clone_from(&edit.entities);
        // It was of the text before; another one is fetched if there is a link.
        extras.link_preview = None;
        let after = Message {
            text: edit.text.clone(),
            extras: (!extras.is_empty()).then(|| Box::new(extras)),
            edit: Some(next_edit(before.edit_count(), &placed)),
            ..before.clone()
        };
        self.changes.versions.push(VersionRow {
            id: before.id(),
            version: before.edit_count(),
            entities: before.entities().to_vec(),
            written_at: before.edit.map_or(before.sent_at, |edit| edit.edited_at),
            text: before.text,
        });
        self.changes.content_updates.push((after.id(), placed.seq));
        self.changes.mentions.insert(after.id(), edit.mentions.clone());
        let body = Body::Edited(Box::new(after.clone()));
        let (place, chat_id, actor_id) = (who.place, who.chat_id, Some(who.user_id));
        self.updates.push(super::Planned { place, chat_id, placed, actor_id, body });
        self.put_target(after.clone());
        Ok(Outcome::Edited(Box::new(after)))
    }

    fn check_edit(&self, who: &Actor, message: &Message) -> Result<(), Refusal> {
        if message.sender_id != who.user_id {
            return Err(Refusal::EditNotAllowed);
        }
        if message.extras.as_ref().is_some_and(|extras| extras.forwarded_from.is_some()) {
            return Err(Refusal::ForwardNotEditable);
        }
        if self.logs.now - message.sent_at > limits::EDIT_WINDOW {
            return Err(Refusal::EditWindowOver);
        }
        if message.edit_count() >= limits::EDITS_MAX {
            return Err(Refusal::TooManyEdits);
        }
        Ok(())
    }

    fn delete(&mut self, who: &Actor, seq: Seq, may_be_of_others: bool) -> Result<Outcome, Stopped> {
        let id = who.message(seq);
        if self.targets.get(&id).is_some_and(|message| message.is_deleted) {
            return Ok(Outcome::Unchanged);
        }
        let message = self.seen(who, seq)?;
        if message.sender_id != who.user_id && !may_be_of_others {
            return Err(Outcome::Refused(Refusal::DeletionNotAllowed));
        }
        let placed = self.tell(who, Body::Deleted(seq))?;
        self.changes.erased.insert(id);
        self.changes.mentions.insert(id, Vec::new());
        if let Some(pins) = self.pins.get_mut(&who.chat_id) {
            pins.retain(|pin| pin.seq != seq);
        }
        self.put_target(message.erased());
        Ok(Outcome::Appended(placed))
    }

    fn react(&mut self, who: &Actor, seq: Seq, emoji: Option<&Emoji>, is_anonymous: bool) -> Result<Outcome, Stopped> {
        let mut message = self.seen(who, seq)?;
        let key = (message.id(), who.user_id);
        let before = self.reactions.get(&key);
        if before == emoji {
            return Ok(Outcome::Unchanged);
        }
        if is_anonymous {
            self.check_own_log(who)?;
        }
        let counts =
            recount(&message.reactions, before, emoji).map_err(|_| Outcome::Refused(Refusal::TooManyReactions))?;
        message.reactions.clone_from(&counts);
        let told = if is_anonymous { None } else { emoji.cloned() };
        let actor_id = (!is_anonymous).then_some(who.user_id);
        let body = Body::Reactions { seq, emoji: told, counts };
        let placed = self.append(who.place, who.chat_id, actor_id, body).ok_or(Outcome::NoLog)?;
        if is_anonymous {
            self.tell_own(who, Body::OwnReaction(message.id(), emoji.cloned()))?;
        }
        match emoji {
            Some(emoji) => self.reactions.insert(key, emoji.clone()),
            None => self.reactions.remove(&key),
        };
        self.changes.reactions.insert(key, ReactionChange { emoji: emoji.cloned(), at: placed.occurred_at });
        self.put_target(message);
        Ok(Outcome::Appended(placed))
    }

    /// The first of a person's entries in a batch goes as far as all of them, the others find that done.
    fn advance(&mut self, who: &Actor, audience: ReceiptAudience) -> Result<Outcome, Stopped> {
        let head = self.logs.head(who.chat_id).ok_or(Outcome::NoLog)?.last_seq;
        let asked = self.asked.get(&(who.chat_id, who.user_id)).copied().unwrap_or_default();
        let before = who.stands.cursors();
        let after = who.stands.advanced_to(asked, head);
        if before == after {
            return Ok(Outcome::Advanced(after));
        }
        match audience {
            ReceiptAudience::Chat => {
                self.tell(who, Body::Receipt(after))?;
            }
            ReceiptAudience::Own if after.read_seq > before.read_seq => {
                self.tell_own(who, Body::OwnRead(who.chat_id, after.read_seq))?;
            }
            ReceiptAudience::Own => {}
        }
        let Cursors { read_seq, delivered_seq } = after;
        let stands = Participant { read_seq, delivered_seq, ..who.stands };
        self.put_participant((who.chat_id, who.user_id), stands);
        Ok(Outcome::Advanced(after))
    }

    fn pin(&mut self, who: &Actor, seq: Seq) -> Result<Outcome, Stopped> {
        let id = self.seen(who, seq)?.id();
        let pins = self.pins.entry(who.chat_id).or_default();
        if pins.iter().any(|pin| pin.seq == seq) {
            return Ok(Outcome::Unchanged);
        }
        if pins.len() >= limits::PINS_MAX {
            return Err(Outcome::Refused(Refusal::TooManyPins));
        }
        let placed = self.logs.place(who.chat_id).ok_or(Outcome::NoLog)?;
        let pins = self.pins.entry(who.chat_id).or_default();
        pins.push(Pin { seq, pinned_seq: placed.seq });
        self.changes.pins.insert(id, Some(placed.seq));
        Ok(self.tell_pins(who, placed, seq, true))
    }

    fn unpin(&mut self, who: &Actor, seq: Seq) -> Result<Outcome, Stopped> {
        let pins = self.pins.entry(who.chat_id).or_default();
        if !pins.iter().any(|pin| pin.seq == seq) {
            return Ok(Outcome::Unchanged);
        }
        pins.retain(|pin| pin.seq != seq);
        self.changes.pins.insert(who.message(seq), None);
        let placed = self.logs.place(who.chat_id).ok_or(Outcome::NoLog)?;
        Ok(self.tell_pins(who, placed, seq, false))
    }

    fn tell_pins(&mut self, who: &Actor, placed: super::Placed, seq: Seq, is_pinned: bool) -> Outcome {
        let mut pins = self.pins.get(&who.chat_id).cloned().unwrap_or_default();
        pins.sort_by_key(|pin| std::cmp::Reverse(pin.pinned_seq));
        let body = Body::Pins { seq, is_pinned, pinned: pins.into_iter().map(|pin| pin.seq).collect() };
        let (place, chat_id, actor_id) = (who.place, who.chat_id, Some(who.user_id));
        self.updates.push(super::Planned { place, chat_id, placed: placed.clone(), actor_id, body });
        Outcome::Appended(placed)
    }

    fn hide(&mut self, who: &Actor, seq: Seq) -> Result<Outcome, Stopped> {
        let id = self.seen(who, seq)?.id();
        if self.changes.hidden.contains(&(id, who.user_id)) {
            return Ok(Outcome::Unchanged);
        }
        let placed = self.tell_own(who, Body::Hidden(id))?;
        self.changes.hidden.insert((id, who.user_id));
        Ok(Outcome::Appended(placed))
    }

    fn clear(&mut self, who: &Actor) -> Result<Outcome, Stopped> {
        let head = self.logs.head(who.chat_id).ok_or(Outcome::NoLog)?.last_seq;
        if who.stands.cleared_seq >= head {
            return Ok(Outcome::Unchanged);
        }
        let placed = self.tell_own(who, Body::Cleared(who.chat_id, head))?;
        self.put_participant((who.chat_id, who.user_id), Participant { cleared_seq: head, ..who.stands });
        Ok(Outcome::Appended(placed))
    }
}

/// Who does something, and where they stand.
struct Actor {
    place: usize,
    chat_id: ChatId,
    user_id: UserId,
    stands: Participant,
}

impl Actor {
    const fn message(&self, seq: Seq) -> MessageId {
        MessageId { chat_id: self.chat_id, seq }
    }
}
