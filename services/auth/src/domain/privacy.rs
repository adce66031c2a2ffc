/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever is not blocked.
    Everyone,
    /// Friends.
    Friends,
    /// Nobody but the person.
    Nobody,
}

impl Audience {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Everyone, Self::Friends, Self::Nobody];

    /// As it is stored.
    pub const fn number(self) -> i16 {
        match self {
            Self::Everyone => 1,
            Self::Friends => 2,
            Self::Nobody => 3,
        }
    }

    /// As it was stored; a number of a later release shows nothing to anybody.
    pub const fn stored(number: i16) -> Self {
        match number {
            1 => Self::Everyone,
            2 => Self::Friends,
            _ => Self::Nobody,
        }
    }
}

/// What a person decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Who sees when they were online last, and are now.
    LastSeen,
    /// Who sees their avatar.
    Avatar,
    /// Who may open a direct chat with them.
    Messages,
    /// Who may call them.
    Calls,
    /// In whose forwards they are named as the sender.
    Forwards,
}

impl Setting {
    /// As the contract names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastSeen => "last_seen",
            Self::Avatar => "avatar",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Forwards => "forwards",
        }
    }
}

/// What others may see of a person and do to them; blocks go before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Of [`Setting::LastSeen`].
    pub last_seen: Audience,
    /// Of [`Setting::Avatar`].
    pub avatar: Audience,
    /// Of [`Setting::Messages`].
    pub messages: Audience,
    /// Of [`Setting::Calls`].
    pub calls: Audience,
    /// Of [`Setting::Forwards`].
    pub forwards: Audience,
}

/// What a new account has.
impl Default for Privacy {
    fn default() -> Self {
        let everyone = Audience::Everyone;
        Self { last_seen: everyone, avatar: everyone, messages: everyone, calls: everyone, forwards: everyone }
    }
}

impl Privacy {
    /// Who may.
    pub const fn audience(&self, setting: Setting) -> Audience {
        match setting {
            Setting::LastSeen => self.last_seen,
            Setting::Avatar => self.avatar,
            Setting::Messages => self.messages,
            Setting::Calls => self.calls,
            Setting::Forwards => self.forwards,
        }
    }

    /// What changes, with what stays.
    #[must_use]
    pub fn with(&self, changes: &PrivacyChanges) -> Self {
        Self {
            last_seen: changes.last_seen.unwrap_or(self.last_seen),
            avatar: changes.avatar.unwrap_or(self.avatar),
            messages: changes.messages.unwrap_or(self.messages),
            calls: changes.calls.unwrap_or(self.calls),
            forwards: changes.forwards.unwrap_or(self.forwards),
        }
    }
}

/// What a person changes; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrivacyChanges {
    /// Of [`Setting::LastSeen`].
    pub last_seen: Option<Audience>,
    /// Of [`Setting::Avatar`].
    pub avatar: Option<Audience>,
    /// Of [`Setting::Messages`].
    pub messages: Option<Audience>,
    /// Of [`Setting::Calls`].
    pub calls: Option<Audience>,
    /// Of [`Setting::Forwards`].
    pub forwards: Option<Audience>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_survives_its_number() {
        for audience in Audience::ALL {
            assert_eq!(Audience::stored(audience.number()), audience);
        }
        assert_eq!(Audience::stored(4), Audience::Nobody);
    }
}
