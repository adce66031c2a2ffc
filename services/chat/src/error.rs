use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::InvalidCursor;

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The text is no cursor of a list.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// There is no such chat, or the caller is not a member.
    #[error("there is no such chat")]
    ChatNotFound,
    /// There is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// One of the two blocks the other.
    #[error("you and this person cannot write to each other")]
    Blocked,
    /// The other's privacy does not let the caller begin a chat.
    #[error("this person takes no new chats from you")]
    Private,
    /// A direct chat has two people.
    #[error("a direct chat is with another person than oneself")]
    WithOneself,
    /// The member's role, or the kind of the chat, does not allow it.
    #[error("you may not do this in this chat")]
    RightMissing,
    /// Whom the caller stands below, or beside, stays as they are.
    #[error("this member can be removed, banned or changed only by who stands above them")]
    MemberProtected,
    /// The other is not in the chat.
    #[error("this person is not a member of the chat")]
    MemberNotFound,
    /// There is another call for what one does to oneself.
    #[error("this cannot be done to oneself")]
    CannotTargetSelf,
    /// A group or channel always has an owner.
    #[error("the owner cannot leave: make somebody else the owner, or delete the chat")]
    OwnerCannotLeave,
    /// This is for chats of another kind.
    #[error("this is not for a chat of this kind")]
    WrongChatKind,
    /// The caller is banned from a chat that everybody can see.
    #[error("you are banned from this channel")]
    Banned,
    /// The chat has as many members as may be.
    #[error("the group has as many members as may be")]
    ChatFull,
    /// The chat has as many admins as may be.
    #[error("the chat has as many admins as may be")]
    TooManyAdmins,
    /// The caller is in as many chats as may be.
    #[error("you are in as many chats as may be")]
    TooManyChats,
    /// Nobody can come by this code, or no longer.
    #[error("there is no such invite, or no longer")]
    InviteNotFound,
    /// The chat has as many invites as may be.
    #[error("the chat has as many invites as may be: revoke one")]
    TooManyInvites,
    /// Nobody waits under this id.
    #[error("this person does not ask to join")]
    JoinRequestNotFound,
    /// So many wait that nobody answers.
    #[error("too many people wait for an answer already")]
    TooManyJoinRequests,
    /// Another channel has the handle.
    #[error("the handle is taken")]
    HandleTaken,
    /// Nobody may have the handle.
    #[error("the handle is reserved")]
    HandleReserved,
    /// The caller has made a chat of another kind under the same client id.
    #[error("the client_chat_id was used for a chat of another kind")]
    ClientChatIdReused,
    /// The avatar is no finished upload of the caller.
    #[error("there is no such upload")]
    MediaNotFound,
    /// The avatar is no image.
    #[error("the upload is not an image")]
    MediaNotAnImage,
    /// The caller has no such folder.
    #[error("there is no such folder")]
    FolderNotFound,
    /// The caller has as many folders as may be.
    #[error("you have as many folders as may be")]
    TooManyFolders,
    /// The change is made, but the chat's log does not have it yet; asking again is right.
    #[error("the chat is being changed: try again")]
    NotReady(#[source] Status),
    /// The chat's log does not know yet that the caller came; asking again is right.
    #[error("you are being let in: try again")]
    Joining,
    /// The message service refused an update.
    #[error("the message service refused an update")]
    UpdateRefused(#[source] Status),
    /// The auth service did not answer as it should.
    #[error("the auth service failed")]
    Users(#[source] Status),
    /// The message service did not answer as it should.
    #[error("the message service failed")]
    Logs(#[source] Status),
    /// The media service did not answer as it should.
    #[error("the media service failed")]
    Media(#[source] Status),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
    /// What is stored is not what was stored.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::InvalidCursor(_) | Self::WithOneself | Self::CannotTargetSelf | Self::WrongChatKind => {
                Code::InvalidArgument
            }
            Self::ChatNotFound
            | Self::UserNotFound
            | Self::MemberNotFound
            | Self::InviteNotFound
            | Self::JoinRequestNotFound
            | Self::MediaNotFound
            | Self::FolderNotFound => Code::NotFound,
            Self::Blocked | Self::Private | Self::RightMissing | Self::MemberProtected | Self::Banned => {
                Code::PermissionDenied
            }
            Self::HandleTaken | Self::HandleReserved | Self::ClientChatIdReused => Code::AlreadyExists,
            Self::OwnerCannotLeave
            | Self::ChatFull
            | Self::TooManyAdmins
            | Self::TooManyChats
            | Self::TooManyInvites
            | Self::TooManyJoinRequests
            | Self::MediaNotAnImage
            | Self::TooManyFolders => Code::FailedPrecondition,
            Self::NotReady(_) | Self::Joining => Code::Unavailable,
            Self::Users(status) | Self::Logs(status) | Self::Media(status) if is_passing(status) => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Users(_)
            | Self::Logs(_)
            | Self::Media(_)
            | Self::UpdateRefused(_)
            | Self::Database(_)
            | Self::Damaged(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::InvalidCursor(_) => "INVALID_CURSOR",
            Self::WithOneself => "DIRECT_CHAT_WITH_ONESELF",
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Blocked => "BLOCKED",
            Self::Private => "PRIVACY",
            Self::RightMissing => "CHAT_RIGHT_MISSING",
            Self::MemberProtected => "MEMBER_PROTECTED",
            Self::MemberNotFound => "MEMBER_NOT_FOUND",
            Self::CannotTargetSelf => "CANNOT_TARGET_SELF",
            Self::OwnerCannotLeave => "OWNER_CANNOT_LEAVE",
            Self::WrongChatKind => "WRONG_CHAT_KIND",
            Self::Banned => "BANNED",
            Self::ChatFull => "CHAT_FULL",
            Self::TooManyAdmins => "TOO_MANY_ADMINS",
            Self::TooManyChats => "TOO_MANY_CHATS",
            Self::InviteNotFound => "INVITE_NOT_FOUND",
            Self::TooManyInvites => "TOO_MANY_INVITES",
            Self::JoinRequestNotFound => "JOIN_REQUEST_NOT_FOUND",
            Self::TooManyJoinRequests => "TOO_MANY_JOIN_REQUESTS",
            Self::HandleTaken => "HANDLE_TAKEN",
            Self::HandleReserved => "HANDLE_RESERVED",
            Self::ClientChatIdReused => "CLIENT_CHAT_ID_REUSED",
            Self::MediaNotFound => "MEDIA_NOT_FOUND",
            Self::MediaNotAnImage => "MEDIA_NOT_AN_IMAGE",
            Self::FolderNotFound => "FOLDER_NOT_FOUND",
            Self::TooManyFolders => "TOO_MANY_FOLDERS",
            Self::NotReady(_) | Self::Joining => "CHAT_NOT_READY",
            _ => self.failure_reason(),
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotReady(_) | Self::Joining => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl Error {
    /// The reason of what is nobody's refusal.
    fn failure_reason(&self) -> &'static str {
        match self {
            Self::Users(status) if is_passing(status) => "AUTH_SERVICE_UNAVAILABLE",
            Self::Logs(status) if is_passing(status) => "MESSAGE_SERVICE_UNAVAILABLE",
            Self::Media(status) if is_passing(status) => "MEDIA_SERVICE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            _ => "INTERNAL",
        }
    }
}

/// Whether another service's answer says no more than that it is not there now.
pub fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::ResourceExhausted
    )
}
