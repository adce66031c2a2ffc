use godwit_kernel::UserId;
use godwit_kernel::limits::{LINK_URLS_BYTES, USERNAME_MAX_CHARS, USERNAME_MIN_CHARS};

use super::{Violation, limits};

/// A part of a text with a meaning. Offsets count UTF-16 code units, as most clients' strings do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Where it begins.
    pub offset: u32,
    /// At least 1.
    pub length: u32,
    /// What it means.
    pub kind: EntityKind,
}

/// What a part of a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// Heavy.
    Bold,
    /// Slanted.
    Italic,
    /// With a line under it.
    Underline,
    /// With a line through it.
    Strikethrough,
    /// Of fixed width.
    Code,
    /// Lines of fixed width.
    CodeBlock {
        /// The programming language; may be empty.
        language: String,
    },
    /// Shown when asked for.
    Spoiler,
    /// Said by somebody else.
    Quote,
    /// A link under the text.
    Link {
        /// Where to.
        url: String,
    },
    /// A person.
    Mention {
        /// Who.
        user_id: UserId,
    },
}

impl Entity {
    /// What it takes in memory, roughly.
    pub fn size_bytes(&self) -> usize {
        let more = match &self.kind {
            EntityKind::Link { url } => url.len(),
            EntityKind::CodeBlock { language } => language.len(),
            _ => 0,
        };
        more + 64
    }

    /// Where it ends, exclusive.
    fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// Entities that fit a text, by offset.
///
/// # Errors
/// Which rule one of them breaks.
pub fn check_entities(text: &str, mut entities: Vec<Entity>) -> Result<Vec<Entity>, Violation> {
    if entities.is_empty() {
        return Ok(entities);
    }
    if entities.len() > limits::ENTITIES_MAX {
        return Err(Violation("must have at most 100 items"));
    }
    let url_bytes = |entity: &Entity| if let EntityKind::Link { url } = &entity.kind { url.len() } else { 0 };
    if entities.iter().map(url_bytes).sum::<usize>() > LINK_URLS_BYTES {
        return Err(Violation("the urls of a text must have at most 8192 bytes together"));
    }
    let boundaries = Utf16Boundaries::of(text);
    for entity in &entities {
        check_kind(&entity.kind)?;
        if entity.length == 0 {
            return Err(Violation("a length must be at least 1"));
        }
        if entity.end() > boundaries.len() {
            return Err(Violation("an entity must lie within the text"));
        }
        if !boundaries.is_boundary(entity.offset.into()) || !boundaries.is_boundary(entity.end()) {
            return Err(Violation("an entity must not begin or end within a surrogate pair"));
        }
    }
    entities.sort_by_key(|entity| (entity.offset, entity.length));
    Ok(entities)
}

fn check_kind(kind: &EntityKind) -> Result<(), Violation> {
    match kind {
        EntityKind::Link { url } => check_url(url),
        EntityKind::CodeBlock { language } => {
            let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-#_".contains(&byte);
            if language.len() > limits::CODE_LANGUAGE_BYTES || !language.bytes().all(is_known) {
                return Err(Violation("a language must have at most 32 of A-Z a-z 0-9 + - # _"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Schemes that do nothing but lead somewhere: `javascript:` and `data:` are none of them.
fn check_url(url: &str) -> Result<(), Violation> {
    const SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];
    if url.len() > limits::LINK_URL_BYTES {
        return Err(Violation("a url must have at most 2048 bytes"));
    }
    let scheme = url.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let is_allowed = scheme.is_some_and(|(scheme, rest)| SCHEMES.contains(&scheme.as_str()) && !rest.is_empty());
    if !is_allowed || url.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err(Violation("a url must begin with http:, https:, mailto: or tel: and have no white space"));
    }
    Ok(())
}

/// Where characters begin, in UTF-16 code units.
struct Utf16Boundaries {
    /// For each code unit, whether a character begins there.
    begins: Vec<bool>,
}

impl Utf16Boundaries {
    fn of(text: &str) -> Self {
        let mut begins = Vec::with_capacity(text.len());
        for character in text.chars() {
            begins.push(true);
            if character.len_utf16() == 2 {
                begins.push(false);
            }
        }
        Self { begins }
    }

    fn len(&self) -> u64 {
        self.begins.len() as u64
    }

    fn is_boundary(&self, offset: u64) -> bool {
        offset == self.len()
            || usize::try_from(offset).ok().and_then(|offset| self.begins.get(offset)).copied().unwrap_or(false)
    }
}

/// A `@username` in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedMention {
    /// Without the `@`, as it was written.
    pub username: String,
    /// Of the `@`, in UTF-16 code units.
    pub offset: u32,
    /// With the `@`, in UTF-16 code units.
    pub length: u32,
}

/// The `@usernames` of a text; one begins the text or stands behind what cannot be part of a name or an address.
pub fn find_mentions(text: &str) -> Vec<NamedMention> {
    if !text.contains('@') {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut offset = 0_usize;
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '@' && !is_name(before) && before != '.' {
            let name: String = rest.as_str().chars().take_while(|next| is_name(*next)).collect();
            let is_username = (USERNAME_MIN_CHARS..=USERNAME_MAX_CHARS).contains(&name.len());
            if is_username && let (Ok(offset), Ok(length)) = (u32::try_from(offset), u32::try_from(name.len() + 1)) {
                found.push(NamedMention { username: name, offset, length });
            }
        }
        offset += character.len_utf16();
        before = character;
    }
    found
}

const fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn bold(offset: u32, length: u32) -> Entity {
        Entity { offset, length, kind: EntityKind::Bold }
    }

    #[test]
    fn an_entity_lies_within_the_text_and_splits_no_pair() {
        // U+1F426 takes two code units.
        let text = "a🐦b";
        for (offset, length) in [(0, 1), (0, 3), (1, 2), (3, 1), (0, 4)] {
            assert!(check_entities(text, vec![bold(offset, length)]).is_ok(), "{offset} {length}");
        }
        for (offset, length) in [(0, 0), (0, 5), (4, 1), (2, 1), (0, 2), (1, 1), (u32::MAX, u32::MAX)] {
            assert!(check_entities(text, vec![bold(offset, length)]).is_err(), "{offset} {length}");
        }
    }

    #[test]
    fn entities_come_by_offset_and_are_at_most_100() {
        let sorted = check_entities("abc", vec![bold(2, 1), bold(0, 1)]).unwrap();
        assert_eq!(sorted, [bold(0, 1), bold(2, 1)]);
        assert!(check_entities("abc", vec![bold(0, 1); 100]).is_ok());
        assert!(check_entities("abc", vec![bold(0, 1); 101]).is_err());
    }

    #[test]
    fn links_lead_nowhere_dangerous() {
        let check = |url: &str| {
            let kind = EntityKind::Link { url: url.to_owned() };
            check_entities("abc", vec![Entity { offset: 0, length: 1, kind }]).is_ok()
        };
        for url in ["https://example.org/a?b", "HTTP://x", "mailto:ada@example.org", "tel:+4312345"] {
            assert!(check(url), "{url}");
        }
        let long = format!("https://{}", "x".repeat(2_048));
        for url in [
            "",
            "example.org",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:",
            "https://a b",
            "\nhttps://a",
            &long,
        ] {
            assert!(!check(url), "{url}");
        }
    }

    #[test]
    fn the_links_of_a_text_have_a_limit_together() {
        let link = |bytes: usize| {
            let kind = EntityKind::Link { url: format!("https:{}", "x".repeat(bytes - 6)) };
            Entity { offset: 0, length: 1, kind }
        };
        assert!(check_entities("abc", vec![link(2_048); 4]).is_ok());
        assert!(check_entities("abc", [vec![link(2_048); 4], vec![link(10)]].concat()).is_err());
        assert!(check_entities("abc", vec![link(80); 100]).is_ok());
    }

    #[test]
    fn a_language_is_a_short_name() {
        let check = |language: &str| {
            let kind = EntityKind::CodeBlock { language: language.to_owned() };
            check_entities("abc", vec![Entity { offset: 0, length: 1, kind }]).is_ok()
        };
        assert!(check("") && check("c++") && check("F#"));
        assert!(!check("a b") && !check(&"x".repeat(33)) && !check("é"));
    }

    #[test]
    fn mentions_are_found_where_names_stand_alone() {
        let names = |text: &str| find_mentions(text).into_iter().map(|found| found.username).collect::<Vec<_>>();
        assert_eq!(names("@ada and @Bob_2, (@eve)!"), ["ada", "Bob_2", "eve"]);
        assert_eq!(names("mail ada@example.org, @ab, @@ada, @"), ["ada"]);
        assert!(names(&format!("@{}", "x".repeat(33))).is_empty());
        let found = find_mentions("🐦 @ada");
        assert_eq!((found[0].offset, found[0].length), (3, 4));
    }

    proptest! {
        #[test]
        fn what_is_found_is_a_valid_entity(text in ".{0,60}(@[a-z]{0,5}.){0,4}") {
            let user_id = UserId::from_uuid(Uuid::nil());
            let entities = find_mentions(&text)
                .into_iter()
                .map(|found| Entity { offset: found.offset, length: found.length, kind: EntityKind::Mention { user_id } })
                .collect();
            prop_assert!(check_entities(&text, entities).is_ok());
        }

        #[test]
        fn any_span_is_judged(text in ".{0,20}", offset: u32, length: u32, small in 0..30_u32) {
            check_entities(&text, vec![bold(offset, length)]).ok();
            check_entities(&text, vec![bold(small, length % 30)]).ok();
        }
    }
}
