/// A part of the index that is built by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of the message service.
    Messages,
    /// Of auth.
    People,
    /// Of chat.
    Channels,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Messages, Self::People, Self::Channels];

    /// As the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::People => "people",
            Self::Channels => "channels",
        }
    }
}
