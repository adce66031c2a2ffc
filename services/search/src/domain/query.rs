use std::ops::Range;

use godwit_kernel::limits;

use super::term::{BEGINNING_CHARS_MIN, Term, beginning_term, word_term};
use super::text::{Word, all_stems, lower_case, without_accents, words};

/// Words of a query by which the index is asked: the longest. All of them are compared with what it finds.
const ASKED_WORDS_MAX: usize = 8;

/// The most words and quoted parts of a query: each is compared with all words of each text that may be a hit.
const CLAUSES_MAX: usize = 32;

/// Why a text is no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// There are no words.
    #[error("is missing")]
    Missing,
    /// There are too many.
    #[error("has over {} characters", limits::SEARCH_QUERY_CHARS)]
    TooLong,
    /// There are too many words.
    #[error("has over {CLAUSES_MAX} words")]
    TooManyWords,
    /// No text can have this character.
    #[error("has a NUL character")]
    Nul,
}

/// The words that are looked for, as a person types them: words joined by AND, "quoted words" as a phrase, -word
/// excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    required: Vec<Clause>,
    excluded: Vec<Clause>,
}

/// Words that stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    words: Vec<Wanted>,
    form: Form,
}

/// In which forms a clause is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it stands.
    Exact,
    /// In all forms of its words.
    Any,
    /// The same, and its last word may go on.
    Typed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    exact: String,
    stems: Vec<String>,
}

/// How a text matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// What matches, in bytes, in the order of the text; none overlaps another.
    pub ranges: Vec<Range<usize>>,
    /// From 0 to 1.
    pub score: f64,
}

impl Query {
    /// Reads what was typed. A last word without a blank behind it may go on.
    ///
    /// # Errors
    /// When the text is blank or too long, or has too many words, or a character that no text can have.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        if text.trim().is_empty() {
            return Err(InvalidQuery::Missing);
        }
        if text.trim().chars().count() > limits::SEARCH_QUERY_CHARS {
            return Err(InvalidQuery::TooLong);
        }
        if text.contains('\0') {
            return Err(InvalidQuery::Nul);
        }
        let mut query = Self::default();
        let mut rest = text;
        while let Some(part) = next_part(&mut rest) {
            let is_typed = rest.is_empty() && !part.is_excluded && !part.is_quoted;
            let form = match (part.is_quoted, is_typed) {
                (true, _) => Form::Exact,
                (false, true) => Form::Typed,
                (false, false) => Form::Any,
            };
            let clause = Clause { words: wanted(part.text, form), form };
            if clause.words.is_empty() {
                continue;
            }
            if query.required.len() + query.excluded.len() == CLAUSES_MAX {
                return Err(InvalidQuery::TooManyWords);
            }
            let clauses = if part.is_excluded { &mut query.excluded } else { &mut query.required };
            clauses.push(clause);
        }
        Ok(query)
    }

    /// Whether there is a word that must be there.
    pub fn has_words(&self) -> bool {
        !self.required.is_empty()
    }

    /// What the index is asked: a message that matches has a term of each group.
    pub fn terms(&self) -> Vec<Vec<Term>> {
        let mut words: Vec<(&Wanted, Form)> = Vec::new();
        for clause in &self.required {
            let last = clause.words.len().saturating_sub(1);
            let form_of = |place| if place < last && clause.form == Form::Typed { Form::Any } else { clause.form };
            words.extend(clause.words.iter().enumerate().map(|(place, word)| (word, form_of(place))));
        }
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.exact.len()));
        words.truncate(ASKED_WORDS_MAX);
        words.into_iter().map(|(word, form)| word.terms(form)).collect()
    }

    /// How a text matches, or `None` when it does not.
    pub fn find(&self, text: &str) -> Option<Match> {
        let words = words(text);
        if self.excluded.iter().any(|clause| clause.places(&words).next().is_some()) {
            return None;
        }
        let (mut found, mut score) = (Vec::new(), 0.0);
        for clause in &self.required {
            let mut best: Option<f64> = None;
            for (place, closeness) in clause.places(&words) {
                best = Some(best.map_or(closeness, |best| best.max(closeness)));
                found.push(place);
            }
            score += best?;
        }
        let clause_count = self.required.len().max(1);
        let ranges = merged(found).iter().filter_map(|place| bytes_of(&words, place)).collect();
        Some(Match { ranges, score: share(score, clause_count) * brevity(words.len()) })
    }
}

impl Clause {
    /// Where the clause stands among the words of a text, and how close each place comes to it.
    fn places<'a>(&'a self, words: &'a [Word]) -> impl Iterator<Item = (Range<usize>, f64)> + 'a {
        let length = self.words.len();
        words.windows(length).enumerate().filter_map(move |(start, window)| {
            let mut closeness = 0.0;
            for (place, (wanted, word)) in self.words.iter().zip(window).enumerate() {
                let form = if place + 1 < length && self.form == Form::Typed { Form::Any } else { self.form };
                closeness += wanted.closeness(word, form)?;
            }
            Some((start..start + length, share(closeness, length)))
        })
    }
}

impl Wanted {
    fn terms(&self, form: Form) -> Vec<Term> {
        let mut terms = vec![word_term(&self.exact)];
        if form != Form::Exact {
            terms.extend(self.stems.iter().map(|stem| word_term(stem)));
        }
        if form == Form::Typed && self.exact.chars().count() >= BEGINNING_CHARS_MIN {
            terms.extend(beginning_term(&self.exact));
        }
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// How close a word comes: 1 for the word itself, less for another form of it and for one that it begins.
    fn closeness(&self, word: &Word, form: Form) -> Option<f64> {
        if word.exact == self.exact {
            return Some(1.0);
        }
        if form == Form::Exact {
            return None;
        }
        let is_form = |text: &String| *text == self.exact || self.stems.contains(text);
        if word.stem.as_ref().is_some_and(is_form) || self.stems.contains(&word.exact) {
            return Some(0.7);
        }
        let is_typed = form == Form::Typed && self.exact.chars().count() >= BEGINNING_CHARS_MIN;
        (is_typed && word.exact.starts_with(&self.exact)).then_some(0.5)
    }
}

/// A part of what was typed: up to a blank, or in quotes.
struct Part<'a> {
    text: &'a str,
    is_quoted: bool,
    is_excluded: bool,
}

fn next_part<'a>(rest: &mut &'a str) -> Option<Part<'a>> {
    let text = rest.trim_start();
    if text.is_empty() {
        *rest = text;
        return None;
    }
    let (is_excluded, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    if let Some(quoted) = text.strip_prefix('"') {
        let (inner, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
        *rest = behind;
        return Some(Part { text: inner, is_quoted: true, is_excluded });
    }
    let end = text.find(|char: char| char.is_whitespace() || char == '"').unwrap_or(text.len());
    let (part, behind) = text.split_at(end);
    *rest = behind;
    Some(Part { text: part, is_quoted: false, is_excluded })
}

fn wanted(text: &str, form: Form) -> Vec<Wanted> {
    let wanted = words(text).into_iter().map(|word| {
        let stems = match (form, text.get(word.place)) {
            (Form::Any | Form::Typed, Some(part)) => all_stems(&lower_case(part)),
            _ => Vec::new(),
        };
        let mut stems: Vec<String> = stems.iter().map(|stem| without_accents(stem)).collect();
        stems.sort_unstable();
        stems.dedup();
        Wanted { exact: word.exact, stems }
    });
    wanted.collect()
}

/// Places in their order; those that overlap are one.
fn merged(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_unstable_by_key(|place| (place.start, place.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(places.len());
    for place in places {
        match merged.last_mut() {
            Some(last) if place.start < last.end => last.end = last.end.max(place.end),
            _ => merged.push(place),
        }
    }
    merged
}

fn bytes_of(words: &[Word], place: &Range<usize>) -> Option<Range<usize>> {
    let (first, last) = (words.get(place.start)?, words.get(place.end.checked_sub(1)?)?);
    Some(first.place.start..last.place.end)
}

fn share(sum: f64, count: usize) -> f64 {
    sum / f64::from(u32::try_from(count).unwrap_or(u32::MAX).max(1))
}

/// What matches in few words is more of what is looked for: 1 for the shortest text, about a half for fifty words.
fn brevity(word_count: usize) -> f64 {
    1.0 / (1.0 + 0.25 * f64::from(u32::try_from(word_count).unwrap_or(u32::MAX).max(1)).ln())
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, UserId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::term::message_terms;
    use super::*;

    fn found<'a>(q: &str, text: &'a str) -> Option<Vec<&'a str>> {
        let found = Query::parse(q).unwrap().find(text)?;
        Some(found.ranges.iter().map(|range| &text[range.clone()]).collect())
    }

    #[test]
    fn blank_long_and_nul_queries_are_refused() {
        let long = "x".repeat(limits::SEARCH_QUERY_CHARS + 1);
        for (text, refusal) in [
            ("", InvalidQuery::Missing),
            (" \t", InvalidQuery::Missing),
            ("a\0b", InvalidQuery::Nul),
            (&long, InvalidQuery::TooLong),
            (&"a ".repeat(CLAUSES_MAX + 1), InvalidQuery::TooManyWords),
        ] {
            assert_eq!(Query::parse(text), Err(refusal), "{text:?}");
        }
        assert!(Query::parse(&"ü".repeat(limits::SEARCH_QUERY_CHARS)).is_ok());
        assert!(Query::parse(&"a ".repeat(CLAUSES_MAX)).is_ok());
    }

    #[test]
    fn words_are_found_in_their_forms_and_as_they_stand_in_quotes() {
        let text = "Two cats were running home";
        assert_eq!(found("cat run ", text), Some(vec!["cats", "running"]));
        assert_eq!(found("\"cat\"", text), None);
        assert_eq!(found("\"cats were\"", text), Some(vec!["cats were"]));
        assert_eq!(found("\"were cats\"", text), None);
        assert_eq!(found("home -dog", text), Some(vec!["home"]));
        assert_eq!(found("home -cat", text), None);
        assert_eq!(found("-dog", text), Some(vec![]));
    }

    #[test]
    fn the_last_word_may_go_on() {
        let text = "Meeting at the internationale";
        assert_eq!(found("mee", text), Some(vec!["Meeting"]));
        assert_eq!(found("meeting inter", text), Some(vec!["Meeting", "internationale"]));
        assert_eq!(found("mee ", text), None, "a blank ends it");
        assert_eq!(found("me", text), None, "it is too short");
        assert_eq!(found("mee at", text), None, "it is not the last");
    }

    #[test]
    fn scripts_without_blanks_are_found_by_their_characters_side_by_side() {
        assert_eq!(found("東京", "明日は東京です"), Some(vec!["東京"]));
        assert_eq!(found("京東", "明日は東京です"), None);
    }

    #[test]
    fn what_comes_closer_has_the_higher_score() {
        let score = |q: &str, text: &str| Query::parse(q).unwrap().find(text).unwrap().score;
        assert!(score("cats ", "cats here") > score("cats ", "cat here"));
        assert!(score("cats ", "cat here") > score("cat", "category here"));
        assert!(score("tide", "tide") > score("tide", "the tide comes in the evening, they say"));
    }

    proptest! {
        /// What matches is found by the index: it has a term of every group that is asked for.
        #[test]
        fn what_matches_has_the_terms(
            text in "[a-cäж字 .\\-]{0,40}",
            q in "[a-cäж字 \"\\-]{1,12}",
        ) {
            let Ok(query) = Query::parse(&q) else { return Ok(()) };
            if !query.has_words() || query.find(&text).is_none() {
                return Ok(());
            }
            let nil = Uuid::nil();
            let terms = message_terms(ChatId::from_uuid(nil), UserId::from_uuid(nil), &[], &words(&text));
            for group in query.terms() {
                prop_assert!(group.iter().any(|term| terms.contains(term)), "{text:?} {q:?}");
            }
        }

        #[test]
        fn ranges_are_in_order_and_apart(text in "\\PC{0,60}", q in "\\PC{1,12}") {
            let Ok(query) = Query::parse(&q) else { return Ok(()) };
            let Some(found) = query.find(&text) else { return Ok(()) };
            let mut end = 0;
            for range in found.ranges {
                prop_assert!(range.start >= end && range.end > range.start);
                prop_assert!(text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
