use std::collections::BTreeMap;

use godwit_kernel::{ChatId, Seq};
use time::OffsetDateTime;

use super::IndexedMessage;

/// What an update makes of a message in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageChange {
    /// Of the update: of two changes within an epoch the higher one stands.
    pub version: Seq,
    /// What the message is then.
    pub state: MessageState,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// It says this.
    There(IndexedMessage),
    /// It was deleted, which is final: nothing of it is left but its place.
    Deleted {
        /// The chat.
        chat_id: ChatId,
        /// Its place in the chat's log.
        seq: Seq,
        /// Of the chat's log.
        epoch: String,
        /// Of the update that says so.
        told_at: OffsetDateTime,
    },
}

impl MessageChange {
    /// Which message.
    pub const fn address(&self) -> (ChatId, Seq) {
        match &self.state {
            MessageState::There(message) => (message.chat_id, message.seq),
            MessageState::Deleted { chat_id, seq, .. } => (*chat_id, *seq),
        }
    }

    fn epoch(&self) -> &str {
        match &self.state {
            MessageState::There(message) => &message.epoch,
            MessageState::Deleted { epoch, .. } => epoch,
        }
    }

    const fn is_deletion(&self) -> bool {
        matches!(self.state, MessageState::Deleted { .. })
    }

    /// Whether this one stands when it comes after `before`, of the same message. The statement that writes into the
    /// index decides alike.
    fn replaces(&self, before: &Self) -> bool {
        if self.epoch() != before.epoch() {
            return true;
        }
        !before.is_deletion() && (self.is_deletion() || self.version > before.version)
    }
}

/// The changes that stand of a batch: one a message, in the order of their addresses.
pub fn standing(changes: Vec<MessageChange>) -> Vec<MessageChange> {
    let mut standing: BTreeMap<(ChatId, Seq), MessageChange> = BTreeMap::new();
    for change in changes {
        let address = change.address();
        if standing.get(&address).is_none_or(|before| change.replaces(before)) {
            standing.insert(address, change);
        }
    }
    standing.into_values().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const CHAT: ChatId = ChatId::from_uuid(Uuid::nil());

    fn says(version: i64, term: i32) -> MessageChange {
        let state = MessageState::There(IndexedMessage {
            chat_id: CHAT,
            seq: Seq::from_i64(1),
            epoch: "e".to_owned(),
            sent_at: OffsetDateTime::UNIX_EPOCH,
            terms: vec![term],
        });
        MessageChange { version: Seq::from_i64(version), state }
    }

    fn deleted(version: i64) -> MessageChange {
        let (seq, epoch, told_at) = (Seq::from_i64(1), "e".to_owned(), OffsetDateTime::UNIX_EPOCH);
        let state = MessageState::Deleted { chat_id: CHAT, seq, epoch, told_at };
        MessageChange { version: Seq::from_i64(version), state }
    }

    #[test]
    fn another_epoch_is_another_message() {
        let mut other = says(1, 9);
        if let MessageState::There(message) = &mut other.state {
            message.epoch = "f".to_owned();
        }
        assert_eq!(standing(vec![deleted(5), other.clone()]), [other]);
    }

    proptest! {
        #[test]
        fn the_newest_stands_and_a_deletion_is_final(order in Just([0, 1, 2, 3]).prop_shuffle(), has_deletion: bool) {
            let last = if has_deletion { deleted(4) } else { says(4, 4) };
            let changes = [says(1, 1), says(2, 2), says(3, 3), last.clone()];
            let mut shuffled: Vec<MessageChange> = order.iter().map(|place| changes[*place].clone()).collect();
            shuffled.push(changes[0].clone());
            prop_assert_eq!(standing(shuffled), [last]);
        }
    }
}
