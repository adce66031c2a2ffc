//! What is sent, and what other services have committed.

use godwit_kernel::{ChatId, MessageId, UserId};
use time::Duration;

use super::{Body, Planner};
use crate::domain::{
    Cursors, Edit, Extras, Membership, NewEvent, NewMessage, NewPreview, Outcome, Participant, Placed, Refusal,
};

impl<'a> Planner<'a> {
    pub(super) fn message(&mut self, place: usize, chat_id: ChatId, message: &'a NewMessage) -> Outcome {
        let Some(head) = self.logs.head(chat_id) else {
            return Outcome::NoLog;
        };
        let hidden_until_seq = head.hidden_until_seq;
        if message.policy_version < head.membership_version {
            return Outcome::StalePolicy;
        }
        if let Some(outcome) = self.sent_before(place, chat_id, message) {
            return outcome;
        }
        if let Some(seq) = message.reply_to_seq()
            && self.target(MessageId { chat_id, seq }).is_err()
        {
            return Outcome::Refused(Refusal::ReplyNotFound);
        }
        if message.quotes_before(hidden_until_seq) {
            // Somebody came since it was written: what it quotes is not for them.
            return Outcome::StalePolicy;
        }
        let sender = (chat_id, message.sender_id);
        if message.slow_mode_secs > 0
            && let Err(outcome) = self.check_pause(sender, message.slow_mode_secs)
        {
            return outcome;
        }
        let Some(placed) = self.append(place, chat_id, Some(message.sender_id), Body::AsAsked) else {
            return Outcome::NoLog;
        };
        self.logs.touch(chat_id, placed.occurred_at);
        if message.slow_mode_secs > 0 {
            let participant = self.participants.get(&sender).copied().unwrap_or_default();
            self.put_participant(sender, Participant { last_sent_at: Some(placed.occurred_at), ..participant });
        }
        if !message.mentions.is_empty() {
            self.changes.mentions.insert(MessageId { chat_id, seq: placed.seq }, message.mentions.clone());
        }
        let key = (chat_id, message.sender_id, &message.client_message_id);
        self.messages.insert(key, (message.content_hash, placed.clone()));
        Outcome::Appended(placed)
    }

    fn sent_before(&self, place: usize, chat_id: ChatId, message: &NewMessage) -> Option<Outcome> {
        if let Some(earlier) = self.earlier.get(&place) {
            if !earlier.is_deleted && earlier.content_hash != Some(message.content_hash) {
                return Some(Outcome::Reused);
            }
            return self.logs.at(chat_id, earlier.seq, earlier.occurred_at).map(Outcome::Repeated);
        }
        let (hash, first) = self.messages.get(&(chat_id, message.sender_id, &message.client_message_id))?;
        let is_same = *hash == message.content_hash;
        Some(if is_same { Outcome::Repeated(first.clone()) } else { Outcome::Reused })
    }

    fn check_pause(&self, sender: (ChatId, UserId), pause_secs: u32) -> Result<(), Outcome> {
        let participant = self.participants.get(&sender).ok_or(Outcome::NoLog)?;
        let over_at = participant.last_sent_at.map(|last| last + Duration::seconds(pause_secs.into()));
        match over_at {
            Some(over_at) if over_at > self.logs.now => {
                Err(Outcome::Refused(Refusal::SlowMode { retry_after: over_at - self.logs.now }))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn event(&mut self, place: usize, chat_id: ChatId, event: &NewEvent) -> Outcome {
        if let Some(earlier) = self.earlier.get(&place) {
            let placed = self.logs.at(chat_id, earlier.seq, earlier.occurred_at);
            return placed.map_or(Outcome::NoLog, Outcome::Repeated);
        }
        if let Some(first) = self.events.get(&(chat_id, event.event_id)) {
            return Outcome::Repeated(first.clone());
        }
        let body = match event.membership.are_receipts_told_again {
            true => Body::WithReceipts(self.receipts(chat_id, &event.membership.left)),
            false => Body::AsAsked,
        };
        let Some(placed) = self.append(place, chat_id, None, body) else {
            return Outcome::NoLog;
        };
        self.logs.raise(chat_id, event.membership_version);
        self.change_members(chat_id, &event.membership, &placed);
        self.events.insert((chat_id, event.event_id), placed.clone());
        Outcome::Appended(placed)
    }

    /// How far the members of a chat have come who have received anything; all of them are known.
    fn receipts(&self, chat_id: ChatId, left: &[UserId]) -> Vec<(UserId, Cursors)> {
        let mut receipts: Vec<(UserId, Cursors)> = self
            .participants
            .iter()
            .filter(|((chat, user_id), _)| *chat == chat_id && !left.contains(user_id))
            .map(|((_, user_id), participant)| (*user_id, participant.cursors()))
            .filter(|(_, cursors)| *cursors != Cursors::default())
            .collect();
        receipts.sort_unstable_by_key(|(user_id, _)| *user_id);
        receipts
    }

    fn change_members(&mut self, chat_id: ChatId, membership: &Membership, placed: &Placed) {
        let is_hidden = membership.is_history_hidden && !membership.joined.is_empty();
        let visible_from_seq = if is_hidden { placed.seq } else { godwit_kernel::Seq::ZERO };
        if is_hidden {
            self.logs.hide(chat_id, placed.seq);
            self.changes.hidden_until.insert(chat_id, placed.seq);
        }
        for user_id in &membership.joined {
            let joined = Participant { joined_seq: placed.seq, visible_from_seq, ..Participant::default() };
            self.put_participant((chat_id, *user_id), joined);
        }
        for user_id in &membership.left {
            self.participants.remove(&(chat_id, *user_id));
            self.changes.participants.insert((chat_id, *user_id), None);
        }
        if membership.is_chat_deleted {
            self.changes.purges.push(chat_id);
        }
    }

    /// A preview whose message is another one by now is dropped.
    pub(super) fn preview(&mut self, place: usize, chat_id: ChatId, new: &NewPreview) -> Outcome {
        if self.logs.head(chat_id).is_none() {
            return Outcome::NoLog;
        }
        let id = MessageId { chat_id, seq: new.seq };
        let mut message = match self.target(id) {
            Ok(message) if message.edit_count() == new.edit_count => message.clone(),
            Ok(_) => return Outcome::Unchanged,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let mut extras: Extras = message.extras.take().map(|extras| *extras).unwrap_or_default();
        if extras.link_preview.as_ref() == Some(&new.preview) {
            return Outcome::Unchanged;
        }
        extras.link_preview = Some(new.preview.clone());
        message.extras = Some(Box::new(extras));
        let Some(placed) = self.append(place, chat_id, None, Body::AsAsked) else {
            return Outcome::NoLog;
        };
        self.changes.content_updates.push((id, placed.seq));
        self.put_target(message);
        Outcome::Appended(placed)
    }
}

/// The edit of a message that is edited once more.
pub(super) const fn next_edit(edit_count: u32, placed: &Placed) -> Edit {
    Edit { edited_at: placed.occurred_at, count: edit_count + 1 }
}
