use godwit_kernel::limits;

use super::Problem;

/// Names that speak for the service or stand for something else in a client. Any spelling that looks like one of them,
/// underscores left out, is one of them.
const RESERVED: [&str; 40] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "bot",
    "channel",
    "deleted",
    "everyone",
    "godwit",
    "here",
    "help",
    "helpdesk",
    "info",
    "me",
    "mod",
    "moderator",
    "nobody",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "root",
    "saved",
    "security",
    "service",
    "staff",
    "support",
    "sysadmin",
    "system",
    "team",
    "undefined",
    "user",
    "username",
    "webmaster",
];
/// What deleted accounts are called: nobody may look like one.
const RESERVED_PREFIX: &str = "deleted_";

/// A username: 3 to 32 of `a-z`, `0-9` and `_`; upper case is folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if !(limits::USERNAME_MIN_CHARS..=limits::USERNAME_MAX_CHARS).contains(&text.len()) {
            return Err("must be 3 to 32 characters long");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("may hold only letters a-z, digits and _");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What names that look alike have in common: the skeleton of UTS #39, as far as it concerns `a-z`, `0-9` and `_`.
    /// The column `usernames.skeleton` is computed alike.
    pub fn skeleton(&self) -> String {
        skeleton(&self.0)
    }

    /// Whether nobody may take the name.
    pub fn is_reserved(&self) -> bool {
        let looks = skeleton(&self.0.replace('_', ""));
        RESERVED.iter().any(|word| skeleton(word) == looks) || self.skeleton().starts_with(&skeleton(RESERVED_PREFIX))
    }
}

fn skeleton(text: &str) -> String {
    text.replace('0', "o").replace(['1', 'i'], "l").replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_username_is_folded_and_bounded() {
        assert_eq!(Username::parse("Ada_99").unwrap().as_str(), "ada_99");
        for text in ["ab", "", "a b c", "ädä", "ada@home", &"a".repeat(33)] {
            assert!(Username::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [("ada1", "adal"), ("ada1", "adai"), ("b0b", "bob"), ("rnax", "max"), ("vvolf", "wolf")] {
            let [one, other] = [one, other].map(|name| Username::parse(name).unwrap());
            assert_eq!(one.skeleton(), other.skeleton());
        }
        for (one, other) in [("ada", "ada_"), ("ada2", "ada3"), ("bob", "rob")] {
            let [one, other] = [one, other].map(|name| Username::parse(name).unwrap());
            assert_ne!(one.skeleton(), other.skeleton());
        }
    }

    #[test]
    fn reserved_names_are_reserved_in_every_spelling_that_looks_like_them() {
        for name in ["admin", "Adm1n", "a_d_m_i_n", "adrnin", "ad_rnin", "godwit", "g0dw1t", "godvvit", "__me__", "a11"]
        {
            assert!(Username::parse(name).unwrap().is_reserved(), "{name}");
        }
        for name in ["deleted_018f4a52", "de1eted_x"] {
            assert!(Username::parse(name).unwrap().is_reserved(), "{name}");
        }
        for name in ["ada", "adminton", "mel", "allan", "godwits", "roots"] {
            assert!(!Username::parse(name).unwrap().is_reserved(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_stable(text in "\\PC{0,40}") {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(name.as_str()).unwrap(), name);
            }
        }

        #[test]
        fn a_letter_that_looks_like_another_changes_no_skeleton(name in "[a-z0-9_]{3,32}") {
            let twin = name.replace('l', "1").replace('o', "0");
            let [name, twin] = [name, twin].map(|name| Username::parse(&name).unwrap());
            prop_assert_eq!(name.skeleton(), twin.skeleton());
        }
    }
}
