use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::UserId;
use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;

use crate::domain::Membership;

/// What a change means for the members of its chat.
pub fn membership(update: &pb::Update) -> Membership {
    let none = Membership::default();
    match &update.change {
        Some(Change::ChatCreated(created)) => Membership { joined: users(&created.member_ids), ..none },
        Some(Change::MembersAdded(added)) => Membership {
            joined: added.members.iter().filter_map(|member| member.user_id.parse().ok()).collect(),
            is_history_hidden: added.is_history_hidden,
            ..none
        },
        Some(Change::MemberRemoved(removed)) => {
            let left = users(std::slice::from_ref(&removed.user_id));
            Membership { left, are_receipts_told_again: removed.member_count == RECEIPT_MEMBERS_MAX, ..none }
        }
        Some(Change::ChatDeleted(_)) => Membership { is_chat_deleted: true, ..none },
        _ => none,
    }
}

fn users(ids: &[String]) -> Vec<UserId> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

/// Who must be told on their own because they cannot follow the chat's channel yet: the members of a chat that
/// begins.
pub fn announced_to(update: &pb::Update) -> Vec<UserId> {
    match &update.change {
        Some(Change::ChatCreated(created)) => users(&created.member_ids),
        _ => Vec::new(),
    }
}
