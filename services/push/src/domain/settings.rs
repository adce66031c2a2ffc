/// How much of a message a notification shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preview {
    /// Chat, sender and text.
    #[default]
    Full,
    /// Chat and sender.
    Sender,
    /// Only that there is a message.
    Hidden,
}

impl Preview {
    /// As the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Sender => "sender",
            Self::Hidden => "hidden",
        }
    }

    /// What the database has. What this release does not know shows nothing.
    pub fn from_store(text: &str) -> Self {
        match text {
            "full" => Self::Full,
            "sender" => Self::Sender,
            _ => Self::Hidden,
        }
    }
}

/// What somebody's devices show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotificationSettings {
    /// How much of a message.
    pub preview: Preview,
    /// Whether muted chats keep silent also when they mention the person.
    pub are_mentions_muted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_survive_the_database_and_others_show_nothing() {
        for preview in [Preview::Full, Preview::Sender, Preview::Hidden] {
            assert_eq!(Preview::from_store(preview.as_str()), preview);
        }
        assert_eq!(Preview::from_store("of another release"), Preview::Hidden);
    }
}
