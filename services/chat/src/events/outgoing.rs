//! What a change of a chat tells others.

use bytes::Bytes;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{ChatInterest, LivePayload, MembershipLost, PostingChanged};
use godwit_contract::message::v1::{AppendUpdateRequest, RaiseMembershipVersionRequest};
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, UserId};
use godwit_live::Channel;
use godwit_rpc::timestamp;
use prost::Message as _;

use super::encode::{encode_cause, encode_folder, encode_info, encode_kind, encode_member, encode_settings};
use crate::domain::{Cause, Chat, Folder, JoinRequest, Kind, Member, PendingUpdate, Settings};
use crate::error::Error;

/// An update as it is kept until it is appended. Without an actor the system caused it.
pub fn update(chat_id: ChatId, actor: Option<UserId>, change: Change) -> Bytes {
    let update = pb::Update {
        chat_id: chat_id.to_string(),
        actor_id: actor.map(|id| id.to_string()).unwrap_or_default(),
        change: Some(change),
        ..pb::Update::default()
    };
    update.encode_to_vec().into()
}

/// Word of joins or leaves was lost.
pub fn membership_lost() -> Bytes {
    LivePayload { payload: Some(Payload::MembershipLost(MembershipLost {})) }.encode_to_vec().into()
}

/// The first change of a direct chat or of Saved Messages.
pub fn personal_chat_created(kind: Kind, member_ids: &[UserId]) -> Change {
    Change::ChatCreated(pb::ChatCreated { kind: encode_kind(kind).into(), member_ids: texts(member_ids), info: None })
}

/// The first change of a group or channel.
pub fn chat_created(chat: &Chat, member_ids: &[UserId]) -> Change {
    Change::ChatCreated(pb::ChatCreated {
        kind: encode_kind(chat.kind).into(),
        member_ids: texts(member_ids),
        info: Some(encode_info(&chat.info)),
    })
}

/// What the chat says of itself is this now.
pub fn chat_info_changed(chat: &Chat) -> Change {
    Change::ChatInfoChanged(pb::ChatInfoChanged { info: Some(encode_info(&chat.info)) })
}

/// These came to the chat, as it is now.
pub fn members_added(chat: &Chat, members: &[Member]) -> Change {
    Change::MembersAdded(pb::MembersAdded {
        members: members.iter().map(encode_member).collect(),
        member_count: chat.member_count,
        is_history_hidden: !chat.info.is_history_visible,
    })
}

/// Somebody went from the chat, as it is now.
pub fn member_removed(chat: &Chat, user_id: UserId, cause: Cause) -> Change {
    Change::MemberRemoved(pb::MemberRemoved {
        user_id: user_id.to_string(),
        cause: encode_cause(cause).into(),
        member_count: chat.member_count,
        // The log knows them.
        receipts: Vec::new(),
    })
}

/// These have these roles now.
pub fn roles_changed(members: &[Member]) -> Change {
    Change::RolesChanged(pb::RolesChanged { members: members.iter().map(encode_member).collect() })
}

/// The last change of a log.
pub const fn chat_deleted() -> Change {
    Change::ChatDeleted(pb::ChatDeleted {})
}

/// For the log of somebody who subscribed to a channel.
pub fn chat_joined(chat_id: ChatId) -> Change {
    Change::ChatJoined(pb::ChatJoined { chat_id: chat_id.to_string() })
}

/// For the log of somebody who is no longer in a chat.
pub fn chat_left(chat_id: ChatId, cause: Cause) -> Change {
    Change::ChatLeft(pb::ChatLeft { chat_id: chat_id.to_string(), cause: encode_cause(cause).into() })
}

/// For the log of who has set something for a chat.
pub fn chat_settings_changed(chat_id: ChatId, settings: Settings) -> Change {
    Change::ChatSettingsChanged(pb::ChatSettingsChanged {
        chat_id: chat_id.to_string(),
        settings: Some(encode_settings(settings)),
    })
}

/// For the log of whose folders are these now.
pub fn folders_changed(folders: &[Folder]) -> Change {
    Change::FoldersChanged(pb::FoldersChanged { folders: folders.iter().map(encode_folder).collect() })
}

/// For the logs of who answers join requests: somebody waits from now on, one of so many.
pub fn join_requested(chat_id: ChatId, request: JoinRequest, join_request_count: u32) -> Change {
    Change::JoinRequestsChanged(pb::JoinRequestsChanged {
        chat_id: chat_id.to_string(),
        join_request_count,
        added_user_id: request.user_id.to_string(),
        requested_at: Some(timestamp(request.requested_at)),
        ..pb::JoinRequestsChanged::default()
    })
}

/// For the same logs: these wait no longer, so many still do.
pub fn join_requests_ended(chat_id: ChatId, ended: &[UserId], join_request_count: u32) -> Change {
    Change::JoinRequestsChanged(pb::JoinRequestsChanged {
        chat_id: chat_id.to_string(),
        join_request_count,
        removed_user_ids: texts(ended),
        ..pb::JoinRequestsChanged::default()
    })
}

/// For the log of who answers them from now on, or no longer: so many wait, as far as that is theirs to know.
pub fn join_requests_counted(chat_id: ChatId, join_request_count: u32) -> Change {
    join_requests_ended(chat_id, &[], join_request_count)
}

/// The request that appends an update, kept as `payload`.
///
/// # Errors
/// [`Error::Damaged`] when the kept bytes are no update.
pub fn append_request(pending: &PendingUpdate, payload: Bytes) -> Result<AppendUpdateRequest, Error> {
    let update = pb::Update::decode(payload).map_err(|_| Error::Damaged("a pending update"))?;
    Ok(AppendUpdateRequest {
        event_id: pending.event_id.to_string(),
        update: Some(update),
        membership_version: pending.membership_version.get(),
    })
}

/// The request that tells a chat's log of a change that it does not keep.
pub fn raise_request(raise: &PendingUpdate) -> RaiseMembershipVersionRequest {
    RaiseMembershipVersionRequest {
        chat_id: raise.chat_id.to_string(),
        membership_version: raise.membership_version.get(),
        joined_user_ids: texts(&raise.joined),
        left_user_ids: texts(&raise.left),
    }
}

/// What tells gateways which users follow the chat from now on, and which no longer; nothing for most updates.
pub fn interest_moves(chat_id: ChatId, update: &pb::Update) -> Vec<(Channel, Bytes)> {
    let ids = |ids: &[String]| ids.iter().filter_map(|id| id.parse().ok()).collect::<Vec<UserId>>();
    match &update.change {
        Some(Change::ChatCreated(created)) => moves(chat_id, &ids(&created.member_ids), &[]),
        Some(Change::MembersAdded(added)) => {
            let joined: Vec<_> = added.members.iter().filter_map(|member| member.user_id.parse().ok()).collect();
            moves(chat_id, &joined, &[])
        }
        Some(Change::MemberRemoved(removed)) => moves(chat_id, &[], &ids(std::slice::from_ref(&removed.user_id))),
        _ => Vec::new(),
    }
}

/// The same for a change that the log does not keep.
pub fn interest_moves_of_raise(raise: &PendingUpdate) -> Vec<(Channel, Bytes)> {
    moves(raise.chat_id, &raise.joined, &raise.left)
}

fn moves(chat_id: ChatId, joined: &[UserId], left: &[UserId]) -> Vec<(Channel, Bytes)> {
    let interest = || ChatInterest { chat_ids: vec![chat_id.to_string()] };
    let encode = |payload| Bytes::from(LivePayload { payload: Some(payload) }.encode_to_vec());
    let (follow, stop) = (encode(Payload::Joined(interest())), encode(Payload::Left(interest())));
    let joined = joined.iter().map(|user_id| (Channel::User(*user_id), follow.clone()));
    joined.chain(left.iter().map(|user_id| (Channel::User(*user_id), stop.clone()))).collect()
}

/// What tells gateways that who may post in a chat was changed beside its log.
pub fn posting_changed(chat_id: ChatId) -> (Channel, Bytes) {
    let payload = Payload::PostingChanged(PostingChanged { chat_id: chat_id.to_string() });
    (Channel::Chat(chat_id), LivePayload { payload: Some(payload) }.encode_to_vec().into())
}

/// What tells a person's devices of a draft.
pub fn draft_frame(user_id: UserId, draft: pb::Draft) -> (Channel, Bytes) {
    let frame = pb::ServerFrame { id: String::new(), frame: Some(pb::server_frame::Frame::Draft(draft)) };
    let payload = Payload::ServerFrame(frame.encode_to_vec().into());
    (Channel::User(user_id), LivePayload { payload: Some(payload) }.encode_to_vec().into())
}

fn texts(user_ids: &[UserId]) -> Vec<String> {
    user_ids.iter().map(UserId::to_string).collect()
}
