//! What a member may do: one table, and the one function that reads it.

use super::{Kind, Role, WhoMayPost};

/// Something that a member may do in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See the chat and what is written in it.
    Read,
    /// Write.
    Post,
    /// React to messages.
    React,
    /// Pin and unpin messages.
    Pin,
    /// Delete messages of others for everyone.
    DeleteAny,
    /// See who has read and received what.
    SeeReceipts,
    /// See who the others are.
    ListMembers,
    /// Add people.
    AddMembers,
    /// Remove who stands below.
    RemoveMembers,
    /// Ban who stands below, or is no member, and lift bans.
    Ban,
    /// Make and revoke invites, answer join requests.
    Invite,
    /// Change what the chat says of itself.
    ChangeInfo,
    /// Make and unmake admins.
    ChangeRoles,
    /// Make another the owner.
    Transfer,
    /// Delete the chat for everybody.
    DeleteChat,
    /// Not held back by slow mode.
    SkipSlowMode,
}

impl Right {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Post,
        Self::React,
        Self::Pin,
        Self::DeleteAny,
        Self::SeeReceipts,
        Self::ListMembers,
        Self::AddMembers,
        Self::RemoveMembers,
        Self::Ban,
        Self::Invite,
        Self::ChangeInfo,
        Self::ChangeRoles,
        Self::Transfer,
        Self::DeleteChat,
        Self::SkipSlowMode,
    ];
}

/// When a right of the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// While neither of the two of a direct chat blocks the other.
    NotBlocked,
    /// While the group lets its members post.
    MembersPost,
}

/// What is decisive for the rights of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of the chat.
    pub kind: Kind,
    /// Of the member.
    pub role: Role,
    /// The group's setting.
    pub who_may_post: WhoMayPost,
    /// Whether one of the two of a direct chat blocks the other.
    pub is_blocked: bool,
}

/// One row a kind and role; who is in none has no right.
struct Row {
    kind: Kind,
    role: Role,
    rights: &'static [(Right, When)],
}

use Right as R;
use When::{Always, MembersPost, NotBlocked};

const TABLE: &[Row] = &[
    Row {
        kind: Kind::Direct,
        role: Role::Member,
        rights: &[
            (R::Read, Always),
            (R::Post, NotBlocked),
            (R::React, NotBlocked),
            (R::Pin, NotBlocked),
            (R::DeleteAny, NotBlocked),
            (R::SeeReceipts, Always),
            (R::ListMembers, Always),
        ],
    },
    Row {
        kind: Kind::Saved,
        role: Role::Owner,
        rights: &[(R::Read, Always), (R::Post, Always), (R::React, Always), (R::Pin, Always)],
    },
    Row { kind: Kind::Group, role: Role::Owner, rights: OWNER },
    Row { kind: Kind::Group, role: Role::Admin, rights: ADMIN },
    Row {
        kind: Kind::Group,
        role: Role::Member,
        rights: &[
            (R::Read, Always),
            (R::Post, MembersPost),
            (R::React, Always),
            (R::SeeReceipts, Always),
            (R::ListMembers, Always),
        ],
    },
    Row { kind: Kind::Channel, role: Role::Owner, rights: CHANNEL_OWNER },
    Row { kind: Kind::Channel, role: Role::Admin, rights: CHANNEL_ADMIN },
    Row { kind: Kind::Channel, role: Role::Member, rights: &[(R::Read, Always), (R::React, Always)] },
];

const OWNER: &[(Right, When)] = &[
    (R::Read, Always),
    (R::Post, Always),
    (R::React, Always),
    (R::Pin, Always),
    (R::DeleteAny, Always),
    (R::SeeReceipts, Always),
    (R::ListMembers, Always),
    (R::AddMembers, Always),
    (R::RemoveMembers, Always),
    (R::Ban, Always),
    (R::Invite, Always),
    (R::ChangeInfo, Always),
    (R::ChangeRoles, Always),
    (R::Transfer, Always),
    (R::DeleteChat, Always),
    (R::SkipSlowMode, Always),
];

const ADMIN: &[(Right, When)] = &[
    (R::Read, Always),
    (R::Post, Always),
    (R::React, Always),
    (R::Pin, Always),
    (R::DeleteAny, Always),
    (R::SeeReceipts, Always),
    (R::ListMembers, Always),
    (R::AddMembers, Always),
    (R::RemoveMembers, Always),
    (R::Ban, Always),
    (R::Invite, Always),
    (R::ChangeInfo, Always),
    (R::SkipSlowMode, Always),
];

/// Nobody is put into a channel: people subscribe, or come by an invite.
const CHANNEL_OWNER: &[(Right, When)] = &[
    (R::Read, Always),
    (R::Post, Always),
    (R::React, Always),
    (R::Pin, Always),
    (R::DeleteAny, Always),
    (R::SeeReceipts, Always),
    (R::ListMembers, Always),
    (R::RemoveMembers, Always),
    (R::Ban, Always),
    (R::Invite, Always),
    (R::ChangeInfo, Always),
    (R::ChangeRoles, Always),
    (R::Transfer, Always),
    (R::DeleteChat, Always),
    (R::SkipSlowMode, Always),
];

const CHANNEL_ADMIN: &[(Right, When)] = &[
    (R::Read, Always),
    (R::Post, Always),
    (R::React, Always),
    (R::Pin, Always),
    (R::DeleteAny, Always),
    (R::SeeReceipts, Always),
    (R::ListMembers, Always),
    (R::RemoveMembers, Always),
    (R::Ban, Always),
    (R::Invite, Always),
    (R::ChangeInfo, Always),
    (R::SkipSlowMode, Always),
];

fn granted(kind: Kind, role: Role) -> &'static [(Right, When)] {
    TABLE.iter().find(|row| row.kind == kind && row.role == role).map_or(&[], |row| row.rights)
}

impl Standing {
    /// All that a member may do now, in the order of the contract.
    pub fn rights(self) -> impl Iterator<Item = Right> {
        let holds = move |when| match when {
            When::Always => true,
            When::NotBlocked => !self.is_blocked,
            When::MembersPost => self.who_may_post == WhoMayPost::Members,
        };
        granted(self.kind, self.role).iter().filter(move |(_, when)| holds(*when)).map(|(right, _)| *right)
    }

    /// Whether the member may do this now.
    pub fn allows(self, right: Right) -> bool {
        self.rights().any(|held| held == right)
    }
}

/// The columns of the documentation.
const COLUMNS: [(&str, Kind, Role); 8] = [
    ("direct", Kind::Direct, Role::Member),
    ("saved", Kind::Saved, Role::Owner),
    ("group: owner", Kind::Group, Role::Owner),
    ("admin", Kind::Group, Role::Admin),
    ("member", Kind::Group, Role::Member),
    ("channel: owner", Kind::Channel, Role::Owner),
    ("admin", Kind::Channel, Role::Admin),
    ("subscriber", Kind::Channel, Role::Member),
];

/// The table as documentation, in Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| right |");
    for (heading, ..) in COLUMNS {
        text.push_str(&format!(" {heading} |"));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(COLUMNS.len()));
    text.push('\n');
    for right in Right::ALL {
        text.push_str(&format!("| {right:?} |"));
        for (_, kind, role) in COLUMNS {
            let when = granted(kind, role).iter().find(|(held, _)| *held == right).map(|(_, when)| *when);
            text.push_str(match when {
                None => " – |",
                Some(When::Always) => " yes |",
                Some(When::NotBlocked) => " *unless blocked* |",
                Some(When::MembersPost) => " *if members post* |",
            });
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(kind: Kind, role: Role) -> Standing {
        Standing { kind, role, who_may_post: WhoMayPost::Members, is_blocked: false }
    }

    #[test]
    fn whoever_is_higher_may_do_no_less() {
        for kind in [Kind::Group, Kind::Channel] {
            for (higher, lower) in [(Role::Owner, Role::Admin), (Role::Admin, Role::Member)] {
                let (higher, lower) = (standing(kind, higher), standing(kind, lower));
                assert!(lower.rights().all(|right| higher.allows(right)), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_block_leaves_a_direct_chat_to_be_read() {
        let blocked = Standing { is_blocked: true, ..standing(Kind::Direct, Role::Member) };
        assert_eq!(blocked.rights().collect::<Vec<_>>(), [Right::Read, Right::SeeReceipts, Right::ListMembers]);
    }

    #[test]
    fn a_group_of_admins_is_read_only_for_members_alone() {
        for role in Role::ALL {
            let quiet = Standing { who_may_post: WhoMayPost::Admins, ..standing(Kind::Group, role) };
            assert_eq!(quiet.allows(Right::Post), role > Role::Member);
        }
        assert!(!standing(Kind::Channel, Role::Member).allows(Right::Post));
    }

    #[test]
    fn only_owners_make_admins_owners_and_ends() {
        for right in [Right::ChangeRoles, Right::Transfer, Right::DeleteChat] {
            for kind in Kind::ALL {
                for role in [Role::Admin, Role::Member] {
                    assert!(!standing(kind, role).allows(right));
                }
            }
            assert!(standing(Kind::Group, Role::Owner).allows(right));
        }
    }
}
