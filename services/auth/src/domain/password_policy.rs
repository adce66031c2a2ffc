use std::sync::LazyLock;

use super::{DisplayName, Email, Password, Username};

/// The commonest passwords of 8 characters and more, folded and sorted; `common_passwords/NOTICE.md` tells where from.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords/list.txt").lines().collect());

/// Why a password of allowed length may not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakPassword {
    /// Among the commonest: it is the first to be guessed.
    TooCommon,
    /// A name of the person, alone or with digits and signs around it.
    HoldsName,
}

/// What a person is called, and so nobody's secret.
pub struct Names<'a> {
    /// Their username.
    pub username: &'a Username,
    /// What others read.
    pub display_name: &'a DisplayName,
    /// Their address; its local part counts.
    pub email: &'a Email,
}

impl Names<'_> {
    fn all(&self) -> [&str; 3] {
        let local_part = self.email.as_str().split('@').next().unwrap_or_default();
        [self.username.as_str(), self.display_name.as_str(), local_part]
    }
}

impl Password {
    /// Whether many people have this password, in any case of its letters.
    ///
    /// # Errors
    /// [`WeakPassword::TooCommon`].
    pub fn refuse_common(&self) -> Result<(), WeakPassword> {
        let folded = self.as_str().trim().to_lowercase();
        match COMMON.binary_search(&folded.as_str()) {
            Ok(_) => Err(WeakPassword::TooCommon),
            Err(_) => Ok(()),
        }
    }

    /// Whether this password is one of the person's names, alone or with digits and signs around it.
    ///
    /// # Errors
    /// [`WeakPassword::HoldsName`].
    pub fn refuse_names(&self, names: &Names<'_>) -> Result<(), WeakPassword> {
        let (whole, core) = folded_and_core(self.as_str());
        for name in names.all() {
            let (name, name_core) = folded_and_core(name);
            let is_name = !name.is_empty() && whole == name;
            let is_around = !core.is_empty() && (core == name || core == name_core);
            if is_name || is_around {
                return Err(WeakPassword::HoldsName);
            }
        }
        Ok(())
    }
}

/// Letters and digits only, in lower case; and the same without the digits at both ends.
fn folded_and_core(text: &str) -> (String, String) {
    let folded: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let core = folded.trim_matches(|c: char| c.is_numeric()).to_owned();
    (folded, core)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn the_list_is_sorted_and_every_entry_is_refused() {
        assert!(COMMON.len() > 8_000);
        assert!(COMMON.is_sorted());
        for common in COMMON.iter() {
            assert_eq!(password(common).refuse_common(), Err(WeakPassword::TooCommon), "{common}");
        }
    }

    #[test]
    fn common_passwords_are_refused_in_any_case_and_others_are_not() {
        for text in ["password1", "PassWord1", " password1", "1234567890", "qwertyuiop", "iloveyou"] {
            assert_eq!(password(text).refuse_common(), Err(WeakPassword::TooCommon), "{text}");
        }
        for text in ["correct horse battery", "a long pass phrase", "größenwahn 7"] {
            assert_eq!(password(text).refuse_common(), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_name_alone_or_with_digits_around_is_no_password() {
        let (username, email) =
            (Username::parse("ada_lovelace9").unwrap(), Email::parse("countess@example.org").unwrap());
        let display_name = DisplayName::parse("Augusta Ada King").unwrap();
        let names = Names { username: &username, display_name: &display_name, email: &email };
        for text in [
            "ada_lovelace9",
            "AdaLovelace",
            "ada_lovelace1815",
            "1815adalovelace!",
            "Augusta Ada King",
            "augustaadaking1",
            "countess",
            "countess99",
            "12countess12",
        ] {
            assert_eq!(password(text).refuse_names(&names), Err(WeakPassword::HoldsName), "{text}");
        }
        for text in ["adalovelace and friends", "the countess", "18151852", "ada.ada.ada"] {
            assert_eq!(password(text).refuse_names(&names), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_name_of_digits_refuses_only_itself() {
        let (username, email) = (Username::parse("20260601").unwrap(), Email::parse("1@example.org").unwrap());
        let display_name = DisplayName::parse("…").unwrap();
        let names = Names { username: &username, display_name: &display_name, email: &email };
        assert_eq!(password("20260601").refuse_names(&names), Err(WeakPassword::HoldsName));
        assert_eq!(password("20260602").refuse_names(&names), Ok(()));
        assert_eq!(password("!!!!!!!!").refuse_names(&names), Ok(()));
    }
}
