use godwit_kernel::{ChatId, UserId};
use time::OffsetDateTime;

use super::{Draft, Info, Kind, MembershipVersion, Role, Standing};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Its kind.
    pub kind: Kind,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// What it says of itself; of groups and channels.
    pub info: Info,
    /// How many are in it.
    pub member_count: u32,
    /// The version of its member list.
    pub version: MembershipVersion,
}

impl Chat {
    /// What a member of this role may do in it. Not for direct chats, whose blocks are not part of the chat.
    pub const fn standing(&self, role: Role) -> Standing {
        Standing { kind: self.kind, role, who_may_post: self.info.who_may_post, is_blocked: false }
    }
}

/// A chat as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatOfMember {
    /// The chat.
    pub chat: Chat,
    /// The other party of a direct chat.
    pub peer_id: Option<UserId>,
    /// What is decisive for the member's rights.
    pub standing: Standing,
    /// What the member has set for it.
    pub settings: Settings,
    /// What the member was about to send.
    pub draft: Option<Draft>,
    /// Who wait for an answer, for those who may give it; 10000 means: so many or more.
    pub join_request_count: u32,
}

/// What one member has set for a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether notifications are off.
    pub mute: Mute,
    /// Whether it is out of the way.
    pub is_archived: bool,
}

impl Settings {
    /// What is left of them at an instant: a mute that has ended is none.
    #[must_use]
    pub fn at(self, now: OffsetDateTime) -> Self {
        let mute = match self.mute {
            Mute::Until(until) if until <= now => Mute::Off,
            mute => mute,
        };
        Self { mute, ..self }
    }
}

/// Whether notifications of a chat are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mute {
    /// They are on.
    #[default]
    Off,
    /// Off until then.
    Until(OffsetDateTime),
    /// Off for ever.
    Forever,
}
