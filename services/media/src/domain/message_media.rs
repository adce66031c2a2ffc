use std::collections::BTreeMap;

use godwit_kernel::{ChatId, MediaId};

/// The picture of a chat is kept as if a message at this place carried it; messages begin at 1.
pub const PICTURE_SEQ: i64 = 0;

/// A chat that carries an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Which.
    pub chat_id: ChatId,
    /// It is the picture of the chat.
    pub is_picture: bool,
}

/// What a message carries, as one update or several in a row tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageMedia {
    /// The chat.
    pub chat_id: ChatId,
    /// The place of the message in its chat, or [`PICTURE_SEQ`].
    pub message_seq: i64,
    /// The seq of the last of the updates.
    pub version: i64,
    /// What was named, and whether the message carries it after the last update: what was taken away again is kept in
    /// mind, so that the update that brought it changes nothing when it comes again.
    pub media: BTreeMap<MediaId, bool>,
}

impl MessageMedia {
    /// What one update says.
    pub fn new(chat_id: ChatId, message_seq: i64, version: i64, media: impl IntoIterator<Item = MediaId>) -> Self {
        Self { chat_id, message_seq, version, media: media.into_iter().map(|id| (id, true)).collect() }
    }

    /// Whether they are of the same message.
    pub fn is_of_same(&self, other: &Self) -> bool {
        (self.chat_id, self.message_seq) == (other.chat_id, other.message_seq)
    }

    /// Takes a later or earlier update of the same message in.
    pub fn merge(&mut self, other: Self) {
        let (newer, older) =
            if other.version >= self.version { (other.media, &self.media) } else { (self.media.clone(), &other.media) };
        let left_out = older.keys().map(|id| (*id, false)).collect::<BTreeMap<_, _>>();
        self.version = self.version.max(other.version);
        self.media = left_out.into_iter().chain(newer).collect();
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn what_the_newest_update_says_holds_in_whatever_order_they_come() {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        let [kept, dropped] = [(); 2].map(|()| MediaId::generate(&SystemClock, &SystemEntropy));
        let created = MessageMedia::new(chat_id, 5, 5, [kept, dropped]);
        let edited = MessageMedia::new(chat_id, 5, 9, [kept]);
        let expected = BTreeMap::from([(kept, true), (dropped, false)]);
        for (first, second) in [(&created, &edited), (&edited, &created)] {
            let mut merged = first.clone();
            merged.merge(second.clone());
            assert_eq!((merged.version, &merged.media), (9, &expected));
        }
    }

    #[test]
    fn a_deletion_takes_everything_away() {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        let id = MediaId::generate(&SystemClock, &SystemEntropy);
        let mut merged = MessageMedia::new(chat_id, 5, 5, [id]);
        merged.merge(MessageMedia::new(chat_id, 5, 6, []));
        assert_eq!(merged.media, BTreeMap::from([(id, false)]));
        assert!(merged.is_of_same(&MessageMedia::new(chat_id, 5, 1, [])));
    }
}
