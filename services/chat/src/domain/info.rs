use godwit_kernel::MediaId;

use super::{Kind, UnknownName};

/// What is wrong with a text or number, for people.
pub type Problem = &'static str;

/// The longest title, in characters.
const TITLE_CHARS: usize = 128;
/// The longest description, in characters.
const DESCRIPTION_CHARS: usize = 1_024;
/// A day.
const SLOW_MODE_SECS: u32 = 86_400;

/// What a group or channel is called: 1 to 128 characters, without white space around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(label(text, TITLE_CHARS, "must have 1 to 128 characters")?))
    }

    /// As it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name of one line: with at least one visible character, and without control characters.
pub(super) fn label(text: &str, chars_max: usize, length: Problem) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().nth(chars_max).is_some() {
        return Err(length);
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters");
    }
    Ok(text.to_owned())
}

/// What a group or channel is for: at most 1024 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.chars().nth(DESCRIPTION_CHARS).is_some() {
            return Err("must have at most 1024 characters");
        }
        if text.contains('\0') {
            return Err("must not contain the character NUL");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The pause between two messages of one member, in seconds; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlowMode(u32);

impl SlowMode {
    /// The pause of so many seconds.
    ///
    /// # Errors
    /// When it is over a day.
    pub const fn parse(secs: u32) -> Result<Self, Problem> {
        if secs > SLOW_MODE_SECS { Err("must be at most 86400") } else { Ok(Self(secs)) }
    }

    /// In seconds.
    pub const fn secs(self) -> u32 {
        self.0
    }
}

/// Who of a group may post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhoMayPost {
    /// Everybody in it.
    #[default]
    Members,
    /// Its owner and admins.
    Admins,
}

impl WhoMayPost {
    /// The stored form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Admins => "admins",
        }
    }

    /// The setting of a stored form.
    ///
    /// # Errors
    /// When it was stored by another version.
    pub fn from_store(text: &str) -> Result<Self, UnknownName> {
        match text {
            "members" => Ok(Self::Members),
            "admins" => Ok(Self::Admins),
            _ => Err(UnknownName("setting of who may post")),
        }
    }
}

/// What a group or channel says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What it is called.
    pub title: Title,
    /// What it is for.
    pub description: Description,
    /// Its picture.
    pub avatar_id: Option<MediaId>,
    /// Of a public channel.
    pub handle: Option<Handle>,
    /// Who of a group may post; of a channel always the admins.
    pub who_may_post: WhoMayPost,
    /// Of a group.
    pub slow_mode: SlowMode,
    /// Whether who joins sees what was written before.
    pub is_history_visible: bool,
}

impl Info {
    /// Of a chat that begins.
    pub const fn first(kind: Kind, title: Title, description: Description, avatar_id: Option<MediaId>) -> Self {
        Self {
            title,
            description,
            avatar_id,
            handle: None,
            who_may_post: if matches!(kind, Kind::Channel) { WhoMayPost::Admins } else { WhoMayPost::Members },
            slow_mode: SlowMode(0),
            is_history_visible: true,
        }
    }

    /// Whether going from this to `next` takes away something that a posting policy says: then the version of the member
    /// list must rise.
    pub fn is_tightened_by(&self, next: &Self) -> bool {
        let posting = self.who_may_post == WhoMayPost::Members && next.who_may_post == WhoMayPost::Admins;
        let hidden = self.handle.is_some() && next.handle.is_none();
        posting || hidden || next.slow_mode > self.slow_mode
    }
}

/// What is to be changed of a chat's info; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InfoChanges {
    /// See [`Info`].
    pub title: Option<Title>,
    /// See [`Info`].
    pub description: Option<Description>,
    /// See [`Info`]; `Some(None)` takes it away.
    pub avatar_id: Option<Option<MediaId>>,
    /// See [`Info`]; `Some(None)` makes a channel private.
    pub handle: Option<Option<Handle>>,
    /// See [`Info`].
    pub who_may_post: Option<WhoMayPost>,
    /// See [`Info`].
    pub slow_mode: Option<SlowMode>,
    /// See [`Info`].
    pub is_history_visible: Option<bool>,
}

impl InfoChanges {
    /// The info after the changes; `None` when one of them is not of this kind of chat.
    pub fn apply(self, kind: Kind, info: &Info) -> Option<Info> {
        let of_groups = self.who_may_post.is_some() || self.slow_mode.is_some() || self.is_history_visible.is_some();
        let is_fitting = match kind {
            Kind::Group => !matches!(self.handle, Some(Some(_))),
            Kind::Channel => !of_groups,
            Kind::Direct | Kind::Saved => false,
        };
        is_fitting.then(|| Info {
            title: self.title.unwrap_or_else(|| info.title.clone()),
            description: self.description.unwrap_or_else(|| info.description.clone()),
            avatar_id: self.avatar_id.unwrap_or(info.avatar_id),
            handle: self.handle.unwrap_or_else(|| info.handle.clone()),
            who_may_post: self.who_may_post.unwrap_or(info.who_may_post),
            slow_mode: self.slow_mode.unwrap_or(info.slow_mode),
            is_history_visible: self.is_history_visible.unwrap_or(info.is_history_visible),
        })
    }
}

/// Names that speak for the service or stand for something else in a client.
const RESERVED: [&str; 24] = [
    "abuse",
    "account",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "channel",
    "channels",
    "everyone",
    "godwit",
    "help",
    "here",
    "info",
    "me",
    "moderator",
    "null",
    "official",
    "root",
    "saved",
    "security",
    "staff",
    "support",
    "system",
];

/// What a public channel is found by: 3 to 32 of `a-z`, `0-9` and `_`; upper case is folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle(String);

impl Handle {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if !(3..=32).contains(&text.len()) {
            return Err("must be 3 to 32 characters long");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("may hold only letters a-z, digits and _");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// As it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// Whether nobody may have it: any spelling that looks like a reserved word, underscores left out, is one.
    pub fn is_reserved(&self) -> bool {
        let bare = self.0.replace('_', "");
        bare.is_empty() || RESERVED.contains(&bare.as_str())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_handle_is_folded_and_what_is_none_is_refused() {
        assert_eq!(Handle::parse("Rust_News").map(|handle| handle.as_str().to_owned()), Ok("rust_news".to_owned()));
        for text in ["", "ab", "a b", "a-b", "Übung", &"a".repeat(33), "a\0b"] {
            assert!(Handle::parse(text).is_err(), "{text}");
        }
        for text in ["ADMIN", "god_wit", "___", "support_"] {
            assert!(Handle::parse(text).is_ok_and(|handle| handle.is_reserved()), "{text}");
        }
    }

    #[test]
    fn titles_and_descriptions_have_bounds() {
        assert!(Title::parse(&"é".repeat(128)).is_ok());
        for text in ["", "  ", "a\nb", "a\0", &"é".repeat(129)] {
            assert!(Title::parse(text).is_err(), "{text}");
        }
        assert!(Description::parse(&"é".repeat(1_024)).is_ok() && Description::parse("").is_ok());
        assert!(Description::parse(&"é".repeat(1_025)).is_err() && Description::parse("\0").is_err());
        assert!(SlowMode::parse(86_400).is_ok() && SlowMode::parse(86_401).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_title_or_refused(text in ".{0,140}") {
            if let Ok(title) = Title::parse(&text) {
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title.clone()));
            }
        }
    }

    #[test]
    fn only_what_takes_away_tightens() {
        let info = Info::first(Kind::Group, Title::default(), Description::default(), None);
        let slow = Info { slow_mode: SlowMode(10), ..info.clone() };
        let quiet = Info { who_may_post: WhoMayPost::Admins, ..info.clone() };
        assert!(info.is_tightened_by(&slow) && info.is_tightened_by(&quiet));
        assert!(!slow.is_tightened_by(&info) && !quiet.is_tightened_by(&info) && !info.is_tightened_by(&info));
    }
}
