//! The contract's forms of what the service knows.

use godwit_contract::v1 as pb;
use godwit_rpc::timestamp;

use crate::domain::{Cause, Folder, Handle, Info, Kind, Member, Mute, Right, Role, Settings, WhoMayPost};

/// The contract's form of a kind.
pub const fn encode_kind(kind: Kind) -> pb::ChatKind {
    match kind {
        Kind::Direct => pb::ChatKind::Direct,
        Kind::Saved => pb::ChatKind::Saved,
        Kind::Group => pb::ChatKind::Group,
        Kind::Channel => pb::ChatKind::Channel,
    }
}

/// The contract's form of a role.
pub const fn encode_role(role: Role) -> pb::ChatRole {
    match role {
        Role::Owner => pb::ChatRole::Owner,
        Role::Admin => pb::ChatRole::Admin,
        Role::Member => pb::ChatRole::Member,
    }
}

/// The contract's form of a right.
pub const fn encode_right(right: Right) -> pb::ChatRight {
    match right {
        Right::Read => pb::ChatRight::Read,
        Right::Post => pb::ChatRight::Post,
        Right::React => pb::ChatRight::React,
        Right::Pin => pb::ChatRight::Pin,
        Right::DeleteAny => pb::ChatRight::DeleteAny,
        Right::SeeReceipts => pb::ChatRight::SeeReceipts,
        Right::ListMembers => pb::ChatRight::ListMembers,
        Right::AddMembers => pb::ChatRight::AddMembers,
        Right::RemoveMembers => pb::ChatRight::RemoveMembers,
        Right::Ban => pb::ChatRight::Ban,
        Right::Invite => pb::ChatRight::Invite,
        Right::ChangeInfo => pb::ChatRight::ChangeInfo,
        Right::ChangeRoles => pb::ChatRight::ChangeRoles,
        Right::Transfer => pb::ChatRight::Transfer,
        Right::DeleteChat => pb::ChatRight::DeleteChat,
        Right::SkipSlowMode => pb::ChatRight::SkipSlowMode,
    }
}

/// The contract's form of a cause.
pub const fn encode_cause(cause: Cause) -> pb::RemovalCause {
    match cause {
        Cause::Left => pb::RemovalCause::Left,
        Cause::Removed => pb::RemovalCause::Removed,
        Cause::Banned => pb::RemovalCause::Banned,
        Cause::ChatDeleted => pb::RemovalCause::ChatDeleted,
        Cause::AccountDeleted => pb::RemovalCause::AccountDeleted,
    }
}

/// The contract's form of what a chat says of itself.
pub fn encode_info(info: &Info) -> pb::ChatInfo {
    let who_may_post = match info.who_may_post {
        WhoMayPost::Members => pb::WhoMayPost::Members,
        WhoMayPost::Admins => pb::WhoMayPost::Admins,
    };
    pb::ChatInfo {
        title: info.title.as_str().to_owned(),
        description: info.description.as_str().to_owned(),
        avatar_media_id: info.avatar_id.map(|id| id.to_string()).unwrap_or_default(),
        handle: info.handle.as_ref().map(Handle::as_str).unwrap_or_default().to_owned(),
        who_may_post: who_may_post.into(),
        slow_mode_secs: info.slow_mode.secs(),
        is_history_visible: info.is_history_visible,
    }
}

/// The contract's form of a member.
pub fn encode_member(member: &Member) -> pb::Member {
    pb::Member {
        user_id: member.user_id.to_string(),
        role: encode_role(member.role).into(),
        joined_at: Some(timestamp(member.joined_at)),
    }
}

/// The contract's form of what one member has set for a chat.
pub fn encode_settings(settings: Settings) -> pb::ChatSettings {
    let (muted_until, is_muted_forever) = match settings.mute {
        Mute::Off => (None, false),
        Mute::Until(until) => (Some(timestamp(until)), false),
        Mute::Forever => (None, true),
    };
    pb::ChatSettings { muted_until, is_muted_forever, is_archived: settings.is_archived }
}

/// The contract's form of a folder.
pub fn encode_folder(folder: &Folder) -> pb::Folder {
    pb::Folder {
        id: folder.id.to_string(),
        title: folder.title.clone(),
        chat_ids: folder.chat_ids.iter().map(ToString::to_string).collect(),
    }
}
