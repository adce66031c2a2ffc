//! What a change of a chat tells others.

use bytes::Bytes;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{ChatInterest, LivePayload};
use godwit_contract::message::v1::AppendUpdateRequest;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, UserId};
use godwit_live::Channel;
use prost::Message as _;

use crate::domain::{Chat, Kind, PendingUpdate};
use crate::error::Error;

/// The contract's form of a kind.
pub fn encode_kind(kind: Kind) -> pb::ChatKind {
    match kind {
        Kind::Direct => pb::ChatKind::Direct,
    }
}

/// The first update of a chat, as it is kept until it is appended.
pub fn chat_created(chat: &Chat, actor_id: UserId, member_ids: &[UserId]) -> Bytes {
    let created = pb::ChatCreated {
        kind: encode_kind(chat.kind).into(),
        member_ids: member_ids.iter().map(UserId::to_string).collect(),
        info: None,
    };
    let update = pb::Update {
        chat_id: chat.id.to_string(),
        actor_id: actor_id.to_string(),
        change: Some(Change::ChatCreated(created)),
        ..pb::Update::default()
    };
    update.encode_to_vec().into()
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

/// What tells gateways which users follow the chat from now on; nothing for most updates.
pub fn interest_moves(chat_id: ChatId, update: &pb::Update) -> Vec<(Channel, Bytes)> {
    let Some(Change::ChatCreated(created)) = &update.change else {
        return Vec::new();
    };
    let interest = ChatInterest { chat_ids: vec![chat_id.to_string()] };
    let payload = Bytes::from(LivePayload { payload: Some(Payload::Joined(interest)) }.encode_to_vec());
    let members = created.member_ids.iter().filter_map(|id| id.parse().ok());
    members.map(|user_id| (Channel::User(user_id), payload.clone())).collect()
}
