use std::fmt;

use time::Duration;

use crate::domain::Code;

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
    SessionAlert,
}

impl Letter {
    /// The subject line; it shows on locked screens, so no code is in it.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::VerificationCode { .. } => "Your Godwit code",
            Self::AlreadyRegistered => "You already have a Godwit account",
            Self::SessionAlert => "A device was logged out of your Godwit account",
        }
    }

    /// The body for readers without HTML.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in self.parts() {
            text.push_str(&part.to_string());
            text.push_str("\n\n");
        }
        text.push_str("Godwit\n");
        text
    }

    /// The body as HTML. Nothing in it comes from a person, so nothing needs escaping.
    pub fn html(&self) -> String {
        let mut html = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\
             <body style=\"font-family:sans-serif;max-width:32em;margin:2em auto;color:#222\">",
            self.subject()
        );
        for part in self.parts() {
            let style = match part {
                Part::Sentence(_) => "",
                Part::Code(_) => " style=\"font-size:2em;letter-spacing:0.2em;font-weight:bold\"",
            };
            html.push_str(&format!("<p{style}>{part}</p>"));
        }
        html.push_str("<p style=\"color:#777\">Godwit</p></body></html>\n");
        html
    }

    fn parts(&self) -> Vec<Part> {
        match self {
            Self::VerificationCode { code, valid_for } => vec![
                Part::Sentence("Your code to confirm this e-mail address is".to_owned()),
                Part::Code(code.as_str().to_owned()),
                Part::Sentence(format!(
                    "It is valid for {} minutes. Give it to nobody: Godwit never asks for it.",
                    valid_for.whole_minutes()
                )),
                Part::Sentence(
                    "If you did not register with Godwit, somebody mistyped their address; ignore this mail."
                        .to_owned(),
                ),
            ],
            Self::AlreadyRegistered => vec![
                Part::Sentence("Somebody, perhaps you, tried to register with this e-mail address.".to_owned()),
                Part::Sentence("You already have a Godwit account with it: just log in.".to_owned()),
                Part::Sentence("If it was not you, nothing has changed and you need do nothing.".to_owned()),
            ],
            Self::SessionAlert => vec![
                Part::Sentence("One of your devices was logged out of your Godwit account.".to_owned()),
                Part::Sentence(
                    "Its login was used a second time, which happens when somebody has copied it. If the device is \
                     still yours, log in again; your other devices are not affected."
                        .to_owned(),
                ),
            ],
        }
    }
}

enum Part {
    Sentence(String),
    Code(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentence(text) | Self::Code(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for letter in [Letter::AlreadyRegistered, Letter::SessionAlert] {
            let longest = letter.text().split(|c: char| !c.is_ascii_digit()).map(str::len).max();
            assert!(longest < Some(6));
        }
    }
}
