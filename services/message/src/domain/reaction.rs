use std::fmt;

use super::{Violation, limits};

/// One emoji (Unicode UTS 51, recommended for general interchange), at most 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emoji(String);

impl Emoji {
    /// The emoji, if the text is one.
    ///
    /// # Errors
    /// When it is not.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let is_short = text.len() <= limits::EMOJI_BYTES;
        let known = is_short.then(|| emojis::get(text)).flatten();
        // With and without a variation selector an emoji is the same one.
        known.map(|emoji| Self(emoji.as_str().to_owned())).ok_or(Violation("must be one emoji"))
    }

    /// An emoji that was parsed before it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How often a message bears an emoji.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionCount {
    /// Which.
    pub emoji: Emoji,
    /// At least 1.
    pub count: u32,
}

/// A message bears as many different emoji as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyKinds;

/// The counts when one person's reaction becomes another one; the most given first.
///
/// # Errors
/// When the message would bear more than 20 different emoji.
pub fn recount(
    counts: &[ReactionCount],
    before: Option<&Emoji>,
    after: Option<&Emoji>,
) -> Result<Vec<ReactionCount>, TooManyKinds> {
    let mut counts = counts.to_vec();
    if let Some(before) = before {
        for count in counts.iter_mut().filter(|count| count.emoji == *before) {
            count.count = count.count.saturating_sub(1);
        }
        counts.retain(|count| count.count > 0);
    }
    if let Some(after) = after {
        let kinds = counts.len();
        match counts.iter_mut().find(|count| count.emoji == *after) {
            Some(count) => count.count = count.count.saturating_add(1),
            None if kinds >= limits::REACTION_KINDS_MAX => return Err(TooManyKinds),
            None => counts.push(ReactionCount { emoji: after.clone(), count: 1 }),
        }
    }
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.emoji.cmp(&b.emoji)));
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_emoji_is_one_emoji() {
        for text in ["👍", "❤️", "👨‍👩‍👧‍👦", "🇦🇹", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            assert!(Emoji::parse(text).is_ok(), "{text}");
        }
        for text in ["", "a", "👍👍", "👍a", ":+1:", "\u{200d}", &"👍".repeat(20)] {
            assert!(Emoji::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_spellings_of_an_emoji_are_the_same() {
        assert_eq!(Emoji::parse("❤"), Emoji::parse("❤\u{fe0f}"));
    }

    proptest! {
        #[test]
        fn counts_are_what_people_react_now(changes in prop::collection::vec((0..8_u8, prop::option::of(0..30_u8)), 0..60)) {
            let mut people: BTreeMap<u8, Emoji> = BTreeMap::new();
            let mut counts = Vec::new();
            for (person, emoji) in changes {
                let emoji = emoji.map(|number| Emoji::from_store(number.to_string()));
                let Ok(next) = recount(&counts, people.get(&person), emoji.as_ref()) else { continue };
                counts = next;
                match emoji {
                    Some(emoji) => people.insert(person, emoji),
                    None => people.remove(&person),
                };
                let mut expected: BTreeMap<Emoji, u32> = BTreeMap::new();
                for emoji in people.values() {
                    *expected.entry(emoji.clone()).or_default() += 1;
                }
                prop_assert_eq!(&counts.iter().map(|one| (one.emoji.clone(), one.count)).collect::<BTreeMap<_, _>>(), &expected);
                prop_assert!(counts.iter().map(|one| one.count).rev().is_sorted());
            }
        }
    }

    #[test]
    fn a_message_bears_at_most_20_kinds() {
        let emoji = |number: u32| Emoji::from_store(number.to_string());
        let mut counts = Vec::new();
        for number in 0..20 {
            counts = recount(&counts, None, Some(&emoji(number))).unwrap();
        }
        assert_eq!(recount(&counts, None, Some(&emoji(20))), Err(TooManyKinds));
        assert_eq!(recount(&counts, Some(&emoji(3)), Some(&emoji(20))).unwrap().len(), 20);
        assert_eq!(recount(&counts, None, Some(&emoji(3))).unwrap()[0].count, 2);
    }
}
