//! Who may see or do what to whom: one table, and the one function that reads it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use godwit_kernel::UserId;

use super::{Audience, Bond, Person, Privacy, Relationship, Setting};

/// What somebody is to the person that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The person.
    Itself,
    /// Their friend.
    Friend,
    /// Anybody else.
    Stranger,
    /// One of the two blocks the other.
    Blocked,
    /// The person's account is deleted, or never was.
    Deleted,
    /// The caller is not logged in.
    Anonymous,
}

impl Relation {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 6] =
        [Self::Itself, Self::Friend, Self::Stranger, Self::Blocked, Self::Deleted, Self::Anonymous];

    /// Of somebody who is logged in, to a person.
    pub fn of(actor: UserId, person: &Person, relationship: &Relationship) -> Self {
        if person.user.is_deleted {
            return Self::Deleted;
        }
        if person.user.id == actor {
            return Self::Itself;
        }
        match relationship.bond {
            Bond::Blocked(_) => Self::Blocked,
            Bond::Friends { .. } => Self::Friend,
            Bond::Nothing | Bond::Requested { .. } => Self::Stranger,
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Itself => "oneself",
            Self::Friend => "friend",
            Self::Stranger => "stranger",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
            Self::Anonymous => "not logged in",
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Who is not logged in may not.
    Unauthenticated,
    /// There is no such person, for all that the caller may know.
    UserNotFound,
    /// Nobody does this to themselves.
    CannotTargetSelf,
    /// One of the two blocks the other.
    Blocked,
    /// The person's privacy.
    Privacy,
    /// The person asked nothing that could be answered.
    FriendRequestNotFound,
}

impl Refusal {
    /// The stable name for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::CannotTargetSelf => "CANNOT_TARGET_SELF",
            Self::Blocked => "BLOCKED",
            Self::Privacy => "PRIVACY",
            Self::FriendRequestNotFound => "FRIEND_REQUEST_NOT_FOUND",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "an access token is needed",
            Self::UserNotFound => "there is no such user",
            Self::CannotTargetSelf => "this cannot be done to oneself",
            Self::Blocked => "one of the two blocks the other",
            Self::Privacy => "the user does not want this",
            Self::FriendRequestNotFound => "the user has not asked to be friends",
        })
    }
}

/// What the table says of one action in one relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Yes.
    Allow,
    /// When the person's setting lets this relation in; else [`Refusal::Privacy`].
    ByPrivacy(Setting),
    /// No.
    Refuse(Refusal),
    /// The call names nobody to be in this relation to; it is refused as an unknown person is.
    NotNamed,
}

/// What a person may do, or see: each RPC of the client services, and what other services ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `AuthService.Register`.
    Register,
    /// `AuthService.VerifyEmail`.
    VerifyEmail,
    /// `AuthService.ResendCode`.
    ResendCode,
    /// `AuthService.Login`.
    Login,
    /// `AuthService.Refresh`.
    Refresh,
    /// `AuthService.Logout`.
    Logout,
    /// `AuthService.ListKeys`.
    ListKeys,
    /// `AuthService.LogoutAll`.
    LogoutAll,
    /// `AuthService.ListSessions`.
    ListSessions,
    /// `AuthService.RevokeSession`.
    RevokeSession,
    /// `AuthService.ListLogins`.
    ListLogins,
    /// `AuthService.ForgotPassword`.
    ForgotPassword,
    /// `AuthService.ResetPassword`.
    ResetPassword,
    /// `AuthService.SetupTwoFactor`.
    SetupTwoFactor,
    /// `AuthService.ConfirmTwoFactor`.
    ConfirmTwoFactor,
    /// `AuthService.VerifyTwoFactor`.
    VerifyTwoFactor,
    /// `AuthService.DisableTwoFactor`.
    DisableTwoFactor,
    /// `UserService.GetMe`.
    GetMe,
    /// `UserService.UpdateMe`.
    UpdateMe,
    /// `UserService.DeleteMe`.
    DeleteMe,
    /// `UserService.ChangePassword`.
    ChangePassword,
    /// `UserService.SetAvatar`.
    SetAvatar,
    /// `UserService.RemoveAvatar`.
    RemoveAvatar,
    /// `UserService.GetPrivacy`.
    GetPrivacy,
    /// `UserService.UpdatePrivacy`.
    UpdatePrivacy,
    /// `UserService.GetUser`.
    GetUser,
    /// `UserService.GetUserByUsername`.
    GetUserByUsername,
    /// `RelationshipService.ListFriends`.
    ListFriends,
    /// `RelationshipService.ListFriendRequests`.
    ListFriendRequests,
    /// `RelationshipService.AddFriend`.
    AddFriend,
    /// `RelationshipService.AcceptFriend`.
    AcceptFriend,
    /// `RelationshipService.RejectFriend`.
    RejectFriend,
    /// `RelationshipService.RemoveFriend`.
    RemoveFriend,
    /// `RelationshipService.BlockUser`.
    BlockUser,
    /// `RelationshipService.UnblockUser`.
    UnblockUser,
    /// `RelationshipService.ListBlocked`.
    ListBlocked,
    /// Open a direct chat.
    Message,
    /// Call.
    Call,
    /// See whether somebody is online, and when they last were.
    SeePresence,
    /// See somebody's avatar.
    SeeAvatar,
    /// See what somebody says of themselves.
    SeeBio,
    /// Name somebody as the sender of a message that is forwarded.
    NameInForward,
}

/// Whom an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever calls, logged in or not.
    Anyone,
    /// The caller's own account.
    Caller,
    /// A person whom the call names.
    Other,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// What is done.
    pub action: Action,
    /// To whom.
    pub subject: Subject,
    /// In the order of [`Relation::ALL`].
    rules: [Rule; 6],
}

impl Access {
    /// What the row says of a relation.
    pub const fn rule(&self, relation: Relation) -> Rule {
        let [itself, friend, stranger, blocked, deleted, anonymous] = self.rules;
        match relation {
            Relation::Itself => itself,
            Relation::Friend => friend,
            Relation::Stranger => stranger,
            Relation::Blocked => blocked,
            Relation::Deleted => deleted,
            Relation::Anonymous => anonymous,
        }
    }
}

const fn open(action: Action) -> Access {
    let rules = [Rule::Allow, Rule::NotNamed, Rule::NotNamed, Rule::NotNamed, Rule::NotNamed, Rule::Allow];
    Access { action, subject: Subject::Anyone, rules }
}

const fn own(action: Action) -> Access {
    let anonymous = Rule::Refuse(Refusal::Unauthenticated);
    let rules = [Rule::Allow, Rule::NotNamed, Rule::NotNamed, Rule::NotNamed, Rule::NotNamed, anonymous];
    Access { action, subject: Subject::Caller, rules }
}

/// Of a person whom the call names: the rules for oneself, a friend, a stranger and a blocked pair.
const fn other(action: Action, [itself, friend, stranger, blocked]: [Rule; 4]) -> Access {
    let (deleted, anonymous) = (Rule::Refuse(Refusal::UserNotFound), Rule::Refuse(Refusal::Unauthenticated));
    Access { action, subject: Subject::Other, rules: [itself, friend, stranger, blocked, deleted, anonymous] }
}

const ALLOW: Rule = Rule::Allow;
const NOT_ONESELF: Rule = Rule::Refuse(Refusal::CannotTargetSelf);
const BLOCKED: Rule = Rule::Refuse(Refusal::Blocked);
const NOT_ASKED: Rule = Rule::Refuse(Refusal::FriendRequestNotFound);
const LAST_SEEN: Rule = Rule::ByPrivacy(Setting::LastSeen);
const AVATAR: Rule = Rule::ByPrivacy(Setting::Avatar);
const FORWARDS: Rule = Rule::ByPrivacy(Setting::Forwards);
const MESSAGES: Rule = Rule::ByPrivacy(Setting::Messages);
const CALLS: Rule = Rule::ByPrivacy(Setting::Calls);

/// The table. What is not in it is refused.
pub const ACCESS: &[Access] = &[
    open(Action::Register),
    open(Action::VerifyEmail),
    open(Action::ResendCode),
    open(Action::Login),
    open(Action::Refresh),
    own(Action::Logout),
    open(Action::ListKeys),
    own(Action::LogoutAll),
    own(Action::ListSessions),
    own(Action::RevokeSession),
    own(Action::ListLogins),
    open(Action::ForgotPassword),
    open(Action::ResetPassword),
    own(Action::SetupTwoFactor),
    own(Action::ConfirmTwoFactor),
    open(Action::VerifyTwoFactor),
    own(Action::DisableTwoFactor),
    own(Action::GetMe),
    own(Action::UpdateMe),
    own(Action::DeleteMe),
    own(Action::ChangePassword),
    own(Action::SetAvatar),
    own(Action::RemoveAvatar),
    own(Action::GetPrivacy),
    own(Action::UpdatePrivacy),
    other(Action::GetUser, [ALLOW, ALLOW, ALLOW, ALLOW]),
    other(Action::GetUserByUsername, [ALLOW, ALLOW, ALLOW, ALLOW]),
    own(Action::ListFriends),
    own(Action::ListFriendRequests),
    other(Action::AddFriend, [NOT_ONESELF, ALLOW, ALLOW, BLOCKED]),
    other(Action::AcceptFriend, [NOT_ONESELF, ALLOW, ALLOW, BLOCKED]),
    other(Action::RejectFriend, [NOT_ONESELF, NOT_ASKED, ALLOW, NOT_ASKED]),
    other(Action::RemoveFriend, [NOT_ONESELF, ALLOW, ALLOW, ALLOW]),
    other(Action::BlockUser, [NOT_ONESELF, ALLOW, ALLOW, ALLOW]),
    other(Action::UnblockUser, [NOT_ONESELF, ALLOW, ALLOW, ALLOW]),
    own(Action::ListBlocked),
    other(Action::Message, [ALLOW, MESSAGES, MESSAGES, BLOCKED]),
    other(Action::Call, [ALLOW, CALLS, CALLS, BLOCKED]),
    other(Action::SeePresence, [ALLOW, LAST_SEEN, LAST_SEEN, BLOCKED]),
    other(Action::SeeAvatar, [ALLOW, AVATAR, AVATAR, BLOCKED]),
    other(Action::SeeBio, [ALLOW, ALLOW, ALLOW, BLOCKED]),
    other(Action::NameInForward, [ALLOW, FORWARDS, FORWARDS, BLOCKED]),
];

/// What the table says of an action.
pub fn access(action: Action) -> Option<&'static Access> {
    ACCESS.iter().find(|row| row.action == action)
}

/// The row of an RPC of the client services, by its name.
pub fn access_of_rpc(name: &str) -> Option<&'static Access> {
    static BY_NAME: LazyLock<HashMap<String, &'static Access>> = LazyLock::new(|| {
        let rpcs = ACCESS.iter().filter(|row| is_rpc(row.action));
        rpcs.map(|row| (format!("{:?}", row.action), row)).collect()
    });
    BY_NAME.get(name).copied()
}

/// Whether somebody in this relation to a person with this privacy may do it.
///
/// # Errors
/// Why not.
pub fn judge(action: Action, relation: Relation, privacy: &Privacy) -> Result<(), Refusal> {
    match access(action).map_or(Rule::NotNamed, |row| row.rule(relation)) {
        Rule::Allow => Ok(()),
        Rule::ByPrivacy(setting) if is_let_in(privacy.audience(setting), relation) => Ok(()),
        Rule::ByPrivacy(_) => Err(Refusal::Privacy),
        Rule::Refuse(refusal) => Err(refusal),
        Rule::NotNamed => Err(Refusal::UserNotFound),
    }
}

/// Whether the caller may make a call that is not about another person; one that is, is judged when they are known.
///
/// # Errors
/// Why not.
pub fn admit(row: &Access, caller: Option<UserId>) -> Result<(), Refusal> {
    let relation = if caller.is_some() { Relation::Itself } else { Relation::Anonymous };
    match (row.subject, row.rule(relation)) {
        (Subject::Other, _) if caller.is_some() => Ok(()),
        (_, Rule::Allow) => Ok(()),
        (_, Rule::Refuse(refusal)) => Err(refusal),
        (_, Rule::ByPrivacy(_) | Rule::NotNamed) => Err(Refusal::UserNotFound),
    }
}

fn is_let_in(audience: Audience, relation: Relation) -> bool {
    match audience {
        Audience::Everyone => true,
        Audience::Friends => matches!(relation, Relation::Friend | Relation::Itself),
        Audience::Nobody => relation == Relation::Itself,
    }
}

const fn is_rpc(action: Action) -> bool {
    !matches!(
        action,
        Action::Message
            | Action::Call
            | Action::SeePresence
            | Action::SeeAvatar
            | Action::SeeBio
            | Action::NameInForward
    )
}

const HEAD: &str = "# Who may see or do what to whom

The answers of the accounts service, by what the caller is to the person whom the call names. `blocked`: one of the two
blocks the other, whoever it is. `deleted`: the account is deleted, or never was. *if `x`*: when the person's privacy
setting `x` lets the caller in (`everyone`, `friends`, or `nobody`, not even friends), else `PRIVACY`. –: the call names
nobody. Who may see a profile sees of it what the rows SeeAvatar and SeeBio allow.

This file is generated from `services/auth/src/domain/access.rs`, which every RPC asks: `GODWIT_UPDATE_DOCS=1 cargo test
-p godwit-auth --test it access` writes it anew. What the members of a chat may do there is in [CHAT_ACCESS.md](CHAT_ACCESS.md).
";

/// `docs/ACCESS.md`.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let rpcs = |row: &&Access| is_rpc(row.action);
    let others = |row: &&Access| !is_rpc(row.action);
    section(&mut text, "Calls of clients", ACCESS.iter().filter(rpcs));
    section(&mut text, "What other services ask, and what shows in a profile", ACCESS.iter().filter(others));
    text
}

fn section<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = &'a Access>) {
    let headings = Relation::ALL.map(Relation::heading).join(" | ");
    let _ = write!(text, "\n## {title}\n\n| action | {headings} |\n|---|---|---|---|---|---|---|\n");
    for row in rows {
        let cells = Relation::ALL.map(|relation| cell(row.rule(relation))).join(" | ");
        let _ = writeln!(text, "| {:?} | {cells} |", row.action);
    }
}

fn cell(rule: Rule) -> String {
    match rule {
        Rule::Allow => "yes".to_owned(),
        Rule::ByPrivacy(setting) => format!("*if `{}`*", setting.as_str()),
        Rule::Refuse(refusal) => format!("`{}`", refusal.reason()),
        Rule::NotNamed => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privacy(audience: Audience) -> Privacy {
        Privacy { last_seen: audience, avatar: audience, messages: audience, calls: audience, forwards: audience }
    }

    #[test]
    fn no_action_has_two_rows() {
        for (place, row) in ACCESS.iter().enumerate() {
            assert_eq!(ACCESS.iter().position(|other| other.action == row.action), Some(place), "{row:?}");
        }
    }

    #[test]
    fn who_is_not_logged_in_may_only_what_is_open() {
        for row in ACCESS {
            let expected = match row.subject {
                Subject::Anyone => Rule::Allow,
                Subject::Caller | Subject::Other => Rule::Refuse(Refusal::Unauthenticated),
            };
            assert_eq!(row.rule(Relation::Anonymous), expected, "{row:?}");
        }
    }

    #[test]
    fn the_deleted_are_as_if_they_never_were() {
        for row in ACCESS.iter().filter(|row| row.subject == Subject::Other) {
            assert_eq!(row.rule(Relation::Deleted), Rule::Refuse(Refusal::UserNotFound), "{row:?}");
        }
    }

    #[test]
    fn privacy_lets_in_whom_it_names_and_blocks_go_before_it() {
        for (audience, friend, stranger) in [
            (Audience::Everyone, Ok(()), Ok(())),
            (Audience::Friends, Ok(()), Err(Refusal::Privacy)),
            (Audience::Nobody, Err(Refusal::Privacy), Err(Refusal::Privacy)),
        ] {
            for action in [Action::Message, Action::Call, Action::SeePresence, Action::SeeAvatar, Action::NameInForward]
            {
                let privacy = privacy(audience);
                assert_eq!(judge(action, Relation::Itself, &privacy), Ok(()));
                assert_eq!(judge(action, Relation::Friend, &privacy), friend);
                assert_eq!(judge(action, Relation::Stranger, &privacy), stranger);
                assert_eq!(judge(action, Relation::Blocked, &privacy), Err(Refusal::Blocked));
                assert_eq!(judge(action, Relation::Deleted, &privacy), Err(Refusal::UserNotFound));
            }
        }
    }
}
