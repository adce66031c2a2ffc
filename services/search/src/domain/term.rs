//! The keys of the index.

use godwit_kernel::{ChatId, UserId};

use super::Kind;
use super::text::Word;

/// A key of the index: 32 bits of a hash. Of a word nothing can be read from it, so that nothing is left of the words
/// of a deleted message, also where PostgreSQL keeps the keys of an index for ever. Two words may share a key: what the
/// index finds is always compared with the message itself.
pub type Term = i32;

/// Of the way from messages to terms. With another number the index is built anew.
pub const FORMAT: i32 = 1;

/// The beginnings of words that have terms of their own, in characters.
const BEGINNINGS: [usize; 2] = [3, 5];

/// The fewest characters of a word that is still typed.
pub const BEGINNING_CHARS_MIN: usize = 3;

/// Of a word, or of a stem.
pub fn word_term(word: &str) -> Term {
    term(b'w', word.as_bytes())
}

/// Of the longest beginning of a word, itself included, that has a term; `None` when it is too short.
pub fn beginning_term(typed: &str) -> Option<Term> {
    BEGINNINGS.iter().rev().find_map(|chars| beginning(typed, *chars)).map(|text| term(b'b', text.as_bytes()))
}

/// Of all messages of a chat.
pub fn chat_term(chat_id: ChatId) -> Term {
    term(b'c', chat_id.as_bytes())
}

/// Of all messages that somebody wrote.
pub fn sender_term(sender_id: UserId) -> Term {
    term(b's', sender_id.as_uuid().as_bytes())
}

/// Of all messages that bring something.
pub fn kind_term(kind: Kind) -> Term {
    term(b'k', &[kind as u8])
}

/// The terms of a message, each once.
pub fn message_terms(chat_id: ChatId, sender_id: UserId, kinds: &[Kind], words: &[Word]) -> Vec<Term> {
    let mut terms = vec![chat_term(chat_id), sender_term(sender_id)];
    terms.extend(kinds.iter().map(|kind| kind_term(*kind)));
    for word in words {
        terms.push(word_term(&word.exact));
        terms.extend(word.stem.as_deref().map(word_term));
        // A beginning that is the whole word is found by the word.
        let beginnings = BEGINNINGS.iter().filter_map(|chars| beginning(&word.exact, *chars));
        terms.extend(beginnings.filter(|text| text.len() < word.exact.len()).map(|text| term(b'b', text.as_bytes())));
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The first characters of a word that has as many.
fn beginning(word: &str, chars: usize) -> Option<&str> {
    let (last, char) = word.char_indices().nth(chars.checked_sub(1)?)?;
    word.get(..last + char.len_utf8())
}

/// FNV-1a of 64 bits, folded. It is written to disk: it must never change without [`FORMAT`].
fn term(space: u8, bytes: &[u8]) -> Term {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.iter().fold(add(0xcbf2_9ce4_8422_2325, &space), add);
    let bytes = (hash ^ (hash >> 32)).to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    Term::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::text::words;
    use super::*;

    #[test]
    fn terms_stay_what_they_are() {
        assert_eq!((word_term("godwit"), beginning_term("god")), (-985455671, Some(394536326)));
        assert_eq!((chat_term(ChatId::from_uuid(Uuid::nil())), kind_term(Kind::Link)), (-1368617865, -1109642013));
        assert_ne!(word_term("god"), beginning_term("god").unwrap());
        assert_eq!(beginning_term("go"), None);
        assert_eq!(beginning_term("godw"), beginning_term("god"));
        assert_ne!(beginning_term("godwi"), beginning_term("god"));
    }

    proptest! {
        #[test]
        fn a_word_is_found_by_each_of_its_beginnings(word in "[a-zа-я字]{3,12}", chars in 3_usize..12) {
            let nil = Uuid::nil();
            let message = message_terms(ChatId::from_uuid(nil), UserId::from_uuid(nil), &[], &words(&word));
            for word in words(&word) {
                let Some(typed) = beginning(&word.exact, chars) else { continue };
                let found = [Some(word_term(typed)), beginning_term(typed)];
                prop_assert!(found.into_iter().flatten().any(|term| message.contains(&term)));
            }
        }
    }
}
