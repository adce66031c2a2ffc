use std::fmt;

use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use crate::domain::{Code, OpaqueToken};

/// What a mail says.
pub enum Letter {
    /// The code that confirms an address.
    VerificationCode {
        /// The code.
        code: Code,
        /// How long it is valid.
        valid_for: Duration,
    },
    /// Somebody tried to register with the address of an account.
    AlreadyRegistered,
    /// A session was ended because somebody has a copy of its refresh token.
    SessionAlert {
        /// When.
        at: OffsetDateTime,
        /// On what.
        device: Option<LetterDevice>,
    },
    /// The token that sets a new password.
    PasswordReset {
        /// The token.
        token: OpaqueToken,
        /// What a client opens when the token is put behind it; without it the token is copied.
        url_prefix: Option<String>,
        /// How long it is valid.
        valid_for: Duration,
    },
    /// A device logged in for the first time.
    NewDevice {
        /// When.
        at: OffsetDateTime,
        /// Which.
        device: Option<LetterDevice>,
    },
    /// There is another password.
    PasswordChanged {
        /// When.
        at: OffsetDateTime,
    },
    /// Logins ask for a second factor from now on.
    TwoFactorEnabled {
        /// When.
        at: OffsetDateTime,
    },
    /// They no longer do.
    TwoFactorDisabled {
        /// When.
        at: OffsetDateTime,
    },
    /// A recovery code logged somebody in.
    RecoveryCodeUsed {
        /// When.
        at: OffsetDateTime,
        /// How many are left.
        codes_left: u32,
    },
    /// The account is hidden.
    AccountDeleted {
        /// When.
        at: OffsetDateTime,
    },
    /// It came back.
    AccountRestored {
        /// When.
        at: OffsetDateTime,
    },
}

/// A device, in the words of whoever logged in by it.
pub struct LetterDevice {
    /// Such as "Ada's phone".
    pub name: String,
    /// Such as "android"; may be empty.
    pub platform: String,
}

impl Letter {
    /// The subject line; it shows on locked screens, so no code is in it.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::VerificationCode { .. } => "Your Godwit code",
            Self::AlreadyRegistered => "You already have a Godwit account",
            Self::SessionAlert { .. } => "A device was logged out of your Godwit account",
            Self::PasswordReset { .. } => "Set a new Godwit password",
            Self::NewDevice { .. } => "A new device logged in to your Godwit account",
            Self::PasswordChanged { .. } => "Your Godwit password was changed",
            Self::TwoFactorEnabled { .. } => "Two-factor logins are on for your Godwit account",
            Self::TwoFactorDisabled { .. } => "Two-factor logins are off for your Godwit account",
            Self::RecoveryCodeUsed { .. } => "A recovery code of your Godwit account was used",
            Self::AccountDeleted { .. } => "Your Godwit account was deleted",
            Self::AccountRestored { .. } => "Your Godwit account is back",
        }
    }

    /// The body for readers without HTML.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in self.parts() {
            match part {
                Part::Sentence(part) | Part::Code(part) | Part::Token(part) | Part::Link(part) => text.push_str(&part),
            }
            text.push_str("\n\n");
        }
        text.push_str("Godwit\n");
        text
    }

    /// The body as HTML.
    pub fn html(&self) -> String {
        let mut html = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\
             <body style=\"font-family:sans-serif;max-width:32em;margin:2em auto;color:#222\">",
            self.subject()
        );
        for part in self.parts() {
            html.push_str(&part.html());
        }
        html.push_str("<p style=\"color:#777\">Godwit</p></body></html>\n");
        html
    }

    fn parts(&self) -> Vec<Part> {
        match self {
            Self::VerificationCode { code, valid_for } => verification_code(code, *valid_for),
            Self::AlreadyRegistered => sentences(&[
                "Somebody, perhaps you, tried to register with this e-mail address.",
                "You already have a Godwit account with it: just log in.",
                "If it was not you, nothing has changed and you need do nothing.",
            ]),
            Self::SessionAlert { at, device } => vec![
                Part::Sentence(format!("{} was logged out of your Godwit account {}.", named(device), instant(*at))),
                Part::Sentence(
                    "Its login was used a second time, which happens when somebody has copied it. If the device is \
                     still yours, log in again; your other devices are not affected."
                        .to_owned(),
                ),
            ],
            Self::PasswordReset { token, url_prefix, valid_for } => {
                password_reset(token, url_prefix.as_deref(), *valid_for)
            }
            Self::NewDevice { at, device } => vec![
                Part::Sentence(format!("{} logged in to your Godwit account {}.", named(device), instant(*at))),
                Part::Sentence(
                    "If it was you, all is well. If not, change your password and end that session in the settings."
                        .to_owned(),
                ),
            ],
            Self::PasswordChanged { at } => happened(
                "The password of your Godwit account was changed",
                *at,
                "If it was not you, set a new one by \"Forgot password\" at once.",
            ),
            Self::TwoFactorEnabled { at } => happened(
                "Logins to your Godwit account ask for a code of your authenticator app since",
                *at,
                "Keep your recovery codes in a safe place: without them and without the app you cannot log in.",
            ),
            Self::TwoFactorDisabled { at } => happened(
                "Logins to your Godwit account no longer ask for a second factor since",
                *at,
                "If it was not you, change your password and turn them on again.",
            ),
            Self::RecoveryCodeUsed { at, codes_left } => vec![
                Part::Sentence(format!(
                    "A recovery code was used to log in to your Godwit account {}. You have {codes_left} left.",
                    instant(*at)
                )),
                Part::Sentence(
                    "If it was not you, change your password, then turn two-factor logins off and on again for new \
                     codes."
                        .to_owned(),
                ),
            ],
            Self::AccountDeleted { at } => happened(
                "Your Godwit account was deleted",
                *at,
                "Log in within 30 days and it is back as it was. After that it is gone for ever.",
            ),
            Self::AccountRestored { at } => happened(
                "Somebody logged in to your deleted Godwit account, and so it is back since",
                *at,
                "If it was not you, set a new password by \"Forgot password\" at once.",
            ),
        }
    }
}

fn verification_code(code: &Code, valid_for: Duration) -> Vec<Part> {
    vec![
        Part::Sentence("Your code to confirm this e-mail address is".to_owned()),
        Part::Code(code.as_str().to_owned()),
        Part::Sentence(format!(
            "It is valid for {} minutes. Give it to nobody: Godwit never asks for it.",
            valid_for.whole_minutes()
        )),
        Part::Sentence(
            "If you did not register with Godwit, somebody mistyped their address; ignore this mail.".to_owned(),
        ),
    ]
}

fn password_reset(token: &OpaqueToken, url_prefix: Option<&str>, valid_for: Duration) -> Vec<Part> {
    let (how, key) = match url_prefix {
        Some(prefix) => {
            ("To set a new password for your Godwit account, open", Part::Link(prefix.to_owned() + &token.to_text()))
        }
        None => ("To set a new password for your Godwit account, use this token:", Part::Token(token.to_text())),
    };
    let minutes = valid_for.whole_minutes();
    vec![
        Part::Sentence(how.to_owned()),
        key,
        Part::Sentence(format!("It works once, within {minutes} minutes. All your devices are logged out then.")),
        Part::Sentence("If you did not ask for it, ignore this mail: nothing has changed.".to_owned()),
    ]
}

fn happened(what: &str, at: OffsetDateTime, advice: &str) -> Vec<Part> {
    vec![Part::Sentence(format!("{what} {}.", instant(at))), Part::Sentence(advice.to_owned())]
}

fn sentences(texts: &[&str]) -> Vec<Part> {
    texts.iter().map(|text| Part::Sentence((*text).to_owned())).collect()
}

/// The name was typed by whoever logged in: it is shown as theirs.
fn named(device: &Option<LetterDevice>) -> String {
    match device {
        Some(LetterDevice { name, platform }) if platform.is_empty() => format!("The device \u{201c}{name}\u{201d}"),
        Some(LetterDevice { name, platform }) => format!("The device \u{201c}{name}\u{201d} ({platform})"),
        None => "One of your devices".to_owned(),
    }
}

fn instant(at: OffsetDateTime) -> String {
    let minute = format_description!("on [day padding:none] [month repr:long] [year] at [hour]:[minute] UTC");
    // Fails for no instant that a clock shows; the sentence stands without it.
    at.to_offset(time::UtcOffset::UTC).format(minute).unwrap_or_default()
}

enum Part {
    Sentence(String),
    Code(String),
    Token(String),
    Link(String),
}

impl Part {
    fn html(&self) -> String {
        match self {
            Self::Sentence(text) => format!("<p>{}</p>", Escaped(text)),
            Self::Code(code) => {
                let style = "font-size:2em;letter-spacing:0.2em;font-weight:bold";
                format!("<p style=\"{style}\">{}</p>", Escaped(code))
            }
            Self::Token(token) => {
                format!("<p style=\"font-family:monospace;overflow-wrap:anywhere\">{}</p>", Escaped(token))
            }
            Self::Link(url) => format!("<p><a href=\"{0}\">{0}</a></p>", Escaped(url)),
        }
    }
}

/// A text between HTML tags or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => fmt::Write::write_char(f, other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-06-01 14:05:59 +02:00);

    fn device(name: &str, platform: &str) -> Option<LetterDevice> {
        Some(LetterDevice { name: name.to_owned(), platform: platform.to_owned() })
    }

    #[test]
    fn a_code_is_in_both_bodies_and_not_in_the_subject() {
        let code = Code::parse("012345").unwrap();
        let letter = Letter::VerificationCode { code, valid_for: Duration::minutes(15) };
        assert!(letter.text().contains("\n012345\n"));
        assert!(letter.text().contains("15 minutes"));
        assert!(letter.html().contains(">012345</p>"));
        assert!(!letter.subject().contains("012345"));
    }

    #[test]
    fn the_code_is_the_only_run_of_six_digits() {
        for letter in [
            Letter::AlreadyRegistered,
            Letter::SessionAlert { at: AT, device: device("phone", "android") },
            Letter::NewDevice { at: AT, device: device("phone", "android") },
            Letter::PasswordChanged { at: AT },
            Letter::TwoFactorEnabled { at: AT },
            Letter::TwoFactorDisabled { at: AT },
            Letter::RecoveryCodeUsed { at: AT, codes_left: 9 },
            Letter::AccountDeleted { at: AT },
            Letter::AccountRestored { at: AT },
        ] {
            let longest = letter.text().split(|c: char| !c.is_ascii_digit()).map(str::len).max();
            assert!(longest < Some(6));
        }
    }

    #[test]
    fn an_alert_tells_the_time_in_utc_and_the_device() {
        let letter = Letter::NewDevice { at: AT, device: device("Ada's phone", "android") };
        let told = "The device “Ada's phone” (android) logged in to your Godwit account on 1 June 2026 at 12:05 UTC.";
        assert!(letter.text().starts_with(told), "{}", letter.text());
        let letter = Letter::SessionAlert { at: AT, device: device("laptop", "") };
        assert!(letter.text().starts_with("The device “laptop” was logged out of your Godwit account on 1 June 2026"));
    }

    #[test]
    fn what_a_person_typed_is_text_in_html() {
        let letter = Letter::NewDevice { at: AT, device: device("<a href='//evil'>\"&\"</a>", "<b>") };
        let html = letter.html();
        assert!(html.contains("&lt;a href=&#39;//evil&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;”"), "{html}");
        assert!(!html.contains("<a") && !html.contains("<b>"));
        assert!(letter.text().contains("<a href='//evil'>"));
    }

    #[test]
    fn a_reset_is_a_token_or_a_link() {
        let token = OpaqueToken::generate(&SystemEntropy);
        let text = token.to_text();
        let with = |url_prefix: Option<&str>| Letter::PasswordReset {
            token: token.clone(),
            url_prefix: url_prefix.map(str::to_owned),
            valid_for: Duration::minutes(30),
        };
        let plain = with(None);
        assert!(plain.text().contains(&format!("\n{text}\n")) && plain.html().contains(&format!(">{text}</p>")));
        assert!(plain.text().contains("within 30 minutes") && !plain.subject().contains(&text));
        let linked = with(Some("https://example.org/reset?a=1&token="));
        assert!(linked.text().contains(&format!("\nhttps://example.org/reset?a=1&token={text}\n")));
        assert!(linked.html().contains(&format!("href=\"https://example.org/reset?a=1&amp;token={text}\"")));
    }
}
