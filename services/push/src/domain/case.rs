use godwit_kernel::UserId;
use time::{Duration, OffsetDateTime};

use super::NotificationSettings;

/// How far the clocks of two services may be apart.
const CLOCK_SKEW: Duration = Duration::seconds(5);

/// What a chat is, as far as notifications of it go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatFacts {
    /// Its readers answer: not in channels.
    pub is_answered: bool,
    /// Of a group or channel.
    pub title: String,
    /// Whether who joins sees what was written before.
    pub is_history_visible: bool,
}

/// A member at the moment when they would be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Since when they are in the chat.
    pub joined_at: OffsetDateTime,
    /// Whether they have muted it now.
    pub is_muted: bool,
}

/// What decides whether somebody is told of a message.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Whose device it is.
    pub recipient: UserId,
    /// Who wrote it.
    pub sender: UserId,
    /// When.
    pub sent_at: OffsetDateTime,
    /// Whether it mentions the recipient.
    pub is_mention: bool,
    /// The recipient has read it.
    pub is_read: bool,
    /// One of the two blocks the other.
    pub is_blocked: bool,
    /// The recipient has the device in front of them.
    pub is_in_front: bool,
    /// The chat, if it is there.
    pub chat: Option<&'a ChatFacts>,
    /// The recipient as a member, if they are one.
    pub listener: Option<Listener>,
    /// What the recipient wants.
    pub settings: NotificationSettings,
}

/// Why a device is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// They wrote it themselves.
    Own,
    /// They are not in the chat, or came after it was written.
    NotAMember,
    /// They have read it, on this device or another.
    Read,
    /// They have muted the chat.
    Muted,
    /// One of the two blocks the other.
    Blocked,
    /// The app shows it by itself.
    InFront,
}

impl Silence {
    /// As records and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::NotAMember => "not_a_member",
            Self::Read => "read",
            Self::Muted => "muted",
            Self::Blocked => "blocked",
            Self::InFront => "in_front",
        }
    }
}

impl Case<'_> {
    /// Why the device is not told; `None` when it is.
    pub fn silence(&self) -> Option<Silence> {
        let (Some(chat), Some(listener)) = (self.chat, self.listener) else {
            return Some(Silence::NotAMember);
        };
        // Where newcomers see what was before, a skew of clocks must not hide the first message of a chat from them.
        let skew = if chat.is_history_visible { CLOCK_SKEW } else { Duration::ZERO };
        if listener.joined_at > self.sent_at + skew {
            return Some(Silence::NotAMember);
        }
        if self.recipient == self.sender {
            return Some(Silence::Own);
        }
        if self.is_read {
            return Some(Silence::Read);
        }
        if self.is_blocked {
            return Some(Silence::Blocked);
        }
        if listener.is_muted && (!self.is_mention || self.settings.are_mentions_muted) {
            return Some(Silence::Muted);
        }
        self.is_in_front.then_some(Silence::InFront)
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};
    use time::macros::datetime;

    use super::*;
    use crate::domain::Preview;

    const SENT_AT: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    /// Every combination of what decides, against the rule said once more as one formula.
    #[test]
    fn all_cases_agree_with_the_rule() {
        let id = || UserId::generate(&SystemClock, &SystemEntropy);
        let (ada, bob) = (id(), id());
        for bits in 0_u32..512 {
            let bit = |place: u32| bits >> place & 1 == 1;
            let chat = ChatFacts { is_answered: true, title: String::new(), is_history_visible: bit(0) };
            let joined_at = if bit(1) { SENT_AT + Duration::seconds(3) } else { SENT_AT };
            let case = Case {
                recipient: if bit(2) { ada } else { bob },
                sender: ada,
                sent_at: SENT_AT,
                is_mention: bit(3),
                is_read: bit(4),
                is_blocked: bit(5),
                is_in_front: bit(6),
                chat: Some(&chat),
                listener: Some(Listener { joined_at, is_muted: bit(7) }),
                settings: NotificationSettings { preview: Preview::Full, are_mentions_muted: bit(8) },
            };
            let is_there = bit(0) || !bit(1);
            let is_loud = !bit(7) || (bit(3) && !bit(8));
            let is_told = is_there && !bit(2) && !bit(4) && !bit(5) && !bit(6) && is_loud;
            assert_eq!(case.silence().is_none(), is_told, "{case:?}");
            assert_eq!(Case { listener: None, ..case }.silence(), Some(Silence::NotAMember));
            assert_eq!(Case { chat: None, ..case }.silence(), Some(Silence::NotAMember));
        }
    }
}
