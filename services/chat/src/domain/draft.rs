use std::fmt;

use bytes::Bytes;
use godwit_kernel::limits;

use super::info::Problem;

/// The most entities of a text.
const ENTITIES_MAX: usize = 100;

/// What somebody is about to send: an encoded `godwit.v1.Draft`. Its text is in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft(pub Bytes);

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(…)")
    }
}

/// Checks the text of a draft: 1 to 4096 characters.
///
/// # Errors
/// What is wrong with it.
pub fn check_draft_text(text: &str) -> Result<(), Problem> {
    if text.is_empty() || text.chars().nth(limits::MESSAGE_TEXT_CHARS).is_some() {
        return Err("must have 1 to 4096 characters");
    }
    if text.contains('\0') {
        return Err("must not contain the character NUL");
    }
    Ok(())
}

/// Checks where the entities of a text lie: offset and length in UTF-16 code units, none within a surrogate pair.
///
/// # Errors
/// What is wrong with them.
pub fn check_draft_spans(text: &str, spans: &[(u32, u32)]) -> Result<(), Problem> {
    if spans.len() > ENTITIES_MAX {
        return Err("must be at most 100");
    }
    let mut boundaries = vec![0];
    let mut end = 0;
    for character in text.chars() {
        end += u64::try_from(character.len_utf16()).unwrap_or(2);
        boundaries.push(end);
    }
    let is_boundary = |at: u64| boundaries.binary_search(&at).is_ok();
    for &(offset, length) in spans {
        let (start, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
        if length == 0 || !is_boundary(start) || !is_boundary(end) {
            return Err("an entity does not lie on characters of the text");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_lie_on_whole_characters() {
        // Two code units, one, two.
        let text = "😀a😀";
        for span in [(0, 2), (2, 1), (0, 5), (3, 2)] {
            assert_eq!(check_draft_spans(text, &[span]), Ok(()), "{span:?}");
        }
        for span in [(0, 0), (0, 1), (1, 1), (4, 1), (5, 1), (0, 6), (u32::MAX, u32::MAX)] {
            assert!(check_draft_spans(text, &[span]).is_err(), "{span:?}");
        }
        assert!(check_draft_spans(text, &[(0, 2); 101]).is_err());
    }

    #[test]
    fn the_text_of_a_draft_shows_in_no_log() {
        assert!(!format!("{:?}", Draft(Bytes::from_static(b"secret"))).contains("secret"));
    }

    #[test]
    fn a_draft_has_bounds() {
        assert!(check_draft_text(&"é".repeat(4_096)).is_ok());
        for text in ["", "\0", &"é".repeat(4_097)] {
            assert!(check_draft_text(text).is_err());
        }
    }
}
