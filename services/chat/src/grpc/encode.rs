//! What answers of several services hold.

use godwit_contract::chat::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;
use godwit_rpc::timestamp;
use prost::Message as _;

use crate::app::{ChatView, MemberView};
use crate::domain::{ChatOfMember, Draft, Kind, Refusal, Right};
use crate::events::encode::{encode_info, encode_kind, encode_member, encode_right, encode_role, encode_settings};

pub(super) fn encode_chat(view: ChatView) -> pb::Chat {
    let ChatView { chat: ChatOfMember { chat, standing, settings, draft, join_request_count, .. }, peer, head } = view;
    let head = head.unwrap_or_default();
    let has_info = matches!(chat.kind, Kind::Group | Kind::Channel);
    pb::Chat {
        id: chat.id.to_string(),
        kind: encode_kind(chat.kind).into(),
        peer,
        created_at: Some(timestamp(chat.created_at)),
        seq: head.last_seq,
        epoch: head.epoch,
        last_message: head.last_message,
        info: has_info.then(|| encode_info(&chat.info)),
        member_count: chat.member_count,
        my_role: encode_role(standing.role).into(),
        my_rights: standing.rights().map(|right| encode_right(right).into()).collect(),
        unread_count: head.unread_count,
        unread_mention_count: head.unread_mention_count,
        read_seq: head.read_seq,
        settings: Some(encode_settings(settings)),
        draft: draft.and_then(encode_draft),
        pinned_message_ids: head.pinned_message_ids,
        // Also where a channel has no more than two members.
        receipts: if chat.kind == Kind::Channel { Vec::new() } else { head.receipts },
        join_request_count: if standing.allows(Right::Invite) { join_request_count } else { 0 },
        visible_from_seq: head.visible_from_seq,
    }
}

/// What another version has kept and this one cannot read is no draft.
pub(super) fn encode_draft(draft: Draft) -> Option<pb::Draft> {
    pb::Draft::decode(draft.0).ok()
}

pub(super) fn encode_refused(refused: Vec<(UserId, Refusal)>) -> Vec<api::RefusedMember> {
    let encode = |(user_id, refusal): (UserId, Refusal)| api::RefusedMember {
        user_id: user_id.to_string(),
        reason: refusal.reason().to_owned(),
    };
    refused.into_iter().map(encode).collect()
}

pub(super) fn encode_member_view(view: MemberView) -> api::MemberView {
    api::MemberView { member: Some(encode_member(&view.member)), user: Some(view.user) }
}
