//! The words of a text.

mod function_words;
mod language;

pub use language::{Language, all_stems, stem};

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, in bytes.
    pub place: Range<usize>,
    /// Without case and accents.
    pub exact: String,
    /// What it shares with its other forms, without case and accents, when it is not the word itself.
    pub stem: Option<String>,
}

/// The words of a text in their order (UAX 29), with the stems of the text's language. In scripts that write no spaces
/// each character is a word.
pub fn words(text: &str) -> Vec<Word> {
    let found: Vec<(usize, &str, String)> =
        text.unicode_word_indices().map(|(start, word)| (start, word, lower_case(word))).collect();
    let language = Language::of(text, found.iter().map(|(_, _, lower)| lower.as_str()));
    let words = found.into_iter().map(|(start, word, lower)| {
        let exact = without_accents(&lower);
        let stem = stem(&lower, language).map(|stem| without_accents(&stem)).filter(|stem| *stem != exact);
        Word { place: start..start + word.len(), exact, stem }
    });
    words.collect()
}

/// In lower case.
pub fn lower_case(word: &str) -> String {
    if word.is_ascii() { word.to_ascii_lowercase() } else { word.to_lowercase() }
}

/// In compatible forms (NFKD) and without the marks above and below Latin, Greek and Cyrillic letters.
pub fn without_accents(lower: &str) -> String {
    if lower.is_ascii() {
        return lower.to_owned();
    }
    let is_mark = |char: &char| ('\u{300}'..='\u{36f}').contains(char);
    lower.nfkd().filter(|char| !is_mark(char)).flat_map(char::to_lowercase).collect()
}

/// Byte ranges of a text, in their order, as UTF-16 offsets and lengths.
pub fn utf16_ranges(text: &str, ranges: &[Range<usize>]) -> Vec<(u32, u32)> {
    let (mut at, mut units) = (0, 0);
    let mut to = |byte: usize| {
        units += text.get(at..byte).map_or(0, |part| part.encode_utf16().count());
        at = byte;
        u32::try_from(units).unwrap_or(u32::MAX)
    };
    let in_units = ranges.iter().map(|range| {
        let start = to(range.start);
        (start, to(range.end).saturating_sub(start))
    });
    in_units.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forms(text: &str) -> Vec<(String, Option<String>)> {
        words(text).into_iter().map(|word| (word.exact, word.stem)).collect()
    }

    #[test]
    fn words_are_without_case_and_accents_and_have_stems() {
        let stem = |stem: &str| Some(stem.to_owned());
        assert_eq!(
            forms("Cats, Köln! example.org 東京"),
            [
                ("cats".to_owned(), stem("cat")),
                ("koln".to_owned(), None),
                ("example.org".to_owned(), None),
                ("東".to_owned(), None),
                ("京".to_owned(), None),
            ]
        );
    }

    #[test]
    fn ranges_count_utf16_units() {
        let text = "a👍bé c";
        let place = |part: &str| text.find(part).map(|start| start..start + part.len()).unwrap();
        assert_eq!(utf16_ranges(text, &[place("👍"), place("bé"), place("c")]), [(1, 2), (3, 2), (6, 1)]);
    }

    proptest! {
        #[test]
        fn any_text_has_words_that_stand_where_they_say(text in "\\PC{0,80}") {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(word.place.start >= end && word.place.end > word.place.start);
                prop_assert!(text.get(word.place.clone()).is_some());
                end = word.place.end;
            }
        }

        #[test]
        fn any_word_has_stems(word in "[a-zà-ÿа-яα-ωء-يक-ह]{1,40}") {
            let lower = lower_case(&word);
            all_stems(&lower);
            words(&format!("{word} {word} {word} {word} {word}"));
        }
    }
}
