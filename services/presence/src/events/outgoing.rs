//! Changes of presence as they travel.

use bytes::Bytes;
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::v1::{self as pb, ServerFrame, server_frame};
use godwit_kernel::UserId;
use godwit_rpc::timestamp;
use prost::Message as _;

use crate::domain::{Presence, Reading};

/// The contract's form of a presence.
pub fn encode_presence(user_id: UserId, reading: Reading) -> pb::Presence {
    let (status, last_seen_at) = match reading.presence {
        Presence::Unknown => (pb::PresenceStatus::Unspecified, None),
        Presence::Online => (pb::PresenceStatus::Online, None),
        Presence::Away => (pb::PresenceStatus::Away, None),
        Presence::Offline { last_seen_at } => (pb::PresenceStatus::Offline, last_seen_at),
    };
    pb::Presence {
        user_id: user_id.to_string(),
        status: status.into(),
        last_seen_at: last_seen_at.map(timestamp),
        as_of: Some(timestamp(reading.as_of)),
    }
}

/// A `presence` frame as live carries it.
pub fn live_payload(user_id: UserId, reading: Reading) -> Bytes {
    let frame = server_frame::Frame::Presence(encode_presence(user_id, reading));
    let frame = ServerFrame { id: String::new(), frame: Some(frame) };
    let payload = live_payload::Payload::ServerFrame(frame.encode_to_vec().into());
    LivePayload { payload: Some(payload) }.encode_to_vec().into()
}
