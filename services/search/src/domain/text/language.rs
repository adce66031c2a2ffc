use std::sync::LazyLock;

use snowball_stemmers_rs::{Algorithm, Stemmer};
use whatlang::{Detector, Lang};

use super::function_words;

/// Shorter texts tell nothing of their language.
const DETECTED_BYTES_MIN: usize = 24;
/// Fewer words, or none that a language has, tell nothing either: of links, codes and names no language is asked.
const DETECTED_WORDS_MIN: usize = 3;
const WORD_CHARS_MAX: usize = 30;
/// As much of a text as tells its language.
const DETECTED_BYTES_MAX: usize = 256;
/// Longer words are no words of a language.
const STEMMED_BYTES_MAX: usize = 64;

/// A writing system whose languages have stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Devanagari,
    Tamil,
    Armenian,
}

impl Script {
    const fn of(letter: char) -> Option<Self> {
        match letter {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Self::Latin),
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Self::Greek),
            '\u{400}'..='\u{52f}' => Some(Self::Cyrillic),
            '\u{530}'..='\u{58f}' => Some(Self::Armenian),
            '\u{600}'..='\u{6ff}' => Some(Self::Arabic),
            '\u{900}'..='\u{97f}' => Some(Self::Devanagari),
            '\u{b80}'..='\u{bff}' => Some(Self::Tamil),
            _ => None,
        }
    }

    /// The script that all letters of a word are of; none when there is another character in it.
    fn of_word(word: &str) -> Option<Self> {
        let mut scripts = word.chars().map(Self::of);
        let first = scripts.next()??;
        scripts.all(|script| script == Some(first)).then_some(first)
    }
}

/// A language whose words have stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    script: Script,
    lang: Lang,
    algorithm: Algorithm,
}

const fn language(script: Script, lang: Lang, algorithm: Algorithm) -> Language {
    Language { script, lang, algorithm }
}

/// The first of a script is the one that a text is taken for whose language cannot be told.
const LANGUAGES: [Language; 26] = [
    language(Script::Latin, Lang::Eng, Algorithm::English),
    language(Script::Latin, Lang::Deu, Algorithm::German),
    language(Script::Latin, Lang::Fra, Algorithm::French),
    language(Script::Latin, Lang::Spa, Algorithm::Spanish),
    language(Script::Latin, Lang::Por, Algorithm::Portuguese),
    language(Script::Latin, Lang::Ita, Algorithm::Italian),
    language(Script::Latin, Lang::Nld, Algorithm::Dutch),
    language(Script::Latin, Lang::Dan, Algorithm::Danish),
    language(Script::Latin, Lang::Swe, Algorithm::Swedish),
    language(Script::Latin, Lang::Nob, Algorithm::Norwegian),
    language(Script::Latin, Lang::Fin, Algorithm::Finnish),
    language(Script::Latin, Lang::Hun, Algorithm::Hungarian),
    language(Script::Latin, Lang::Ron, Algorithm::Romanian),
    language(Script::Latin, Lang::Tur, Algorithm::Turkish),
    language(Script::Latin, Lang::Pol, Algorithm::Polish),
    language(Script::Latin, Lang::Ces, Algorithm::Czech),
    language(Script::Latin, Lang::Cat, Algorithm::Catalan),
    language(Script::Cyrillic, Lang::Rus, Algorithm::Russian),
    language(Script::Cyrillic, Lang::Ukr, Algorithm::Ukrainian),
    language(Script::Greek, Lang::Ell, Algorithm::Greek),
    language(Script::Arabic, Lang::Ara, Algorithm::Arabic),
    language(Script::Arabic, Lang::Pes, Algorithm::Persian),
    language(Script::Devanagari, Lang::Hin, Algorithm::Hindi),
    language(Script::Devanagari, Lang::Nep, Algorithm::Nepali),
    language(Script::Tamil, Lang::Tam, Algorithm::Tamil),
    language(Script::Armenian, Lang::Hye, Algorithm::Armenian),
];

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::with_allowlist(LANGUAGES.iter().map(|language| language.lang).collect()));

impl Language {
    /// The language of a text that has these words in lower case, when it can be told: from its function words, or else
    /// from its letters when there are enough of them.
    pub fn of<'a>(text: &str, lower_words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let lang = function_words::language_of(lower_words).or_else(|| lang_by_letters(text))?;
        LANGUAGES.into_iter().find(|language| language.lang == lang)
    }

    fn stem(self, word: &str) -> String {
        Stemmer::create(self.algorithm).stem(word).into_owned()
    }
}

fn lang_by_letters(text: &str) -> Option<Lang> {
    if text.len() < DETECTED_BYTES_MIN {
        return None;
    }
    let part = text.get(..text.floor_char_boundary(DETECTED_BYTES_MAX))?;
    if part.split_whitespace().filter(|word| looks_like_a_word(word)).take(DETECTED_WORDS_MIN).count()
        < DETECTED_WORDS_MIN
    {
        return None;
    }
    Some(DETECTOR.detect(part).filter(whatlang::Info::is_reliable)?.lang())
}

/// Punctuation around it may stand.
fn looks_like_a_word(word: &str) -> bool {
    let word = word.trim_matches(|char: char| !char.is_alphanumeric());
    !word.is_empty()
        && word.chars().take(WORD_CHARS_MAX + 1).count() <= WORD_CHARS_MAX
        && word.chars().all(char::is_alphabetic)
}

/// The stem of a lower-case word in a text of this language. A word in another script is taken for one of the language
/// that most write in it; what is no word of letters has no stem.
pub fn stem(word: &str, language: Option<Language>) -> Option<String> {
    let script = stemmed_script(word)?;
    let of_text = language.filter(|language| language.script == script);
    let language = of_text.or_else(|| LANGUAGES.into_iter().find(|language| language.script == script))?;
    Some(language.stem(word))
}

/// The stems of a lower-case word in all languages that are written so, each once.
pub fn all_stems(word: &str) -> Vec<String> {
    let Some(script) = stemmed_script(word) else { return Vec::new() };
    let languages = LANGUAGES.into_iter().filter(|language| language.script == script);
    let mut stems: Vec<String> = languages.map(|language| language.stem(word)).collect();
    stems.sort_unstable();
    stems.dedup();
    stems
}

fn stemmed_script(word: &str) -> Option<Script> {
    if word.len() > STEMMED_BYTES_MAX { None } else { Script::of_word(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_for_its_language() {
        let of = |text: &str| Language::of(text, text.to_lowercase().split(' ')).map(|language| language.lang);
        for (text, lang) in [
            ("Die Häuser der Nachbarn stehen alle nebeneinander in der Straße", Lang::Deu),
            ("Größere Häuser müssen häufig früher geschlossen werden", Lang::Deu),
            ("Съешь же ещё этих мягких французских булок, да выпей чаю", Lang::Rus),
        ] {
            assert_eq!(of(text), Some(lang), "{text}");
        }
        assert_eq!(of("ok"), None);
        assert_eq!(of("Straßenbahnhaltestelle Häuserfassaden"), None);
        assert_eq!(of("https://example.org/größere/häuser 4f7d2 a1b2c3 müssen früher"), None);
        assert_eq!(of("字字字字字字字字字字字字字字字字字字"), None);
    }

    #[test]
    fn a_word_has_the_stem_of_its_text() {
        let german = LANGUAGES.into_iter().find(|language| language.lang == Lang::Deu);
        assert_eq!(stem("häuser", german).as_deref(), Some("haus"));
        assert_eq!(stem("running", None).as_deref(), Some("run"));
        assert_eq!(stem("книгами", german).as_deref(), Some("книг"));
        assert_eq!(stem("b2b", None), None);
        assert_eq!(stem("字", None), None);
    }
}
