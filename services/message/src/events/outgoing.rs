//! Updates as they are stored and published.

use bytes::{Bytes, BytesMut};
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{LivePayload, MembersLeft, MembershipLost};
use godwit_contract::v1 as pb;
use godwit_events::{NewRecord, topics};
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_live::Channel;
use prost::Message as _;

use crate::domain::Headers;
pub use crate::wire::{announced_to, encode_message, membership, message_of, partial_update, tells_of_before};

/// `update` in `godwit.v1.ServerFrame`.
const SERVER_FRAME_UPDATE: u32 = 4;
/// `server_frame` in `godwit.events.v1.LivePayload`.
const LIVE_PAYLOAD_SERVER_FRAME: u32 = 1;

/// The headers that carry the trace of whoever asks now.
pub fn current_headers() -> Headers {
    NewRecord::new(&topics::CHAT_UPDATES, Bytes::new(), Bytes::new()).headers
}

/// An update's record on the stream.
pub fn stream_record(chat_id: ChatId, payload: Bytes, headers: Headers) -> NewRecord {
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    NewRecord { topic: &topics::CHAT_UPDATES, key, payload, headers }
}

/// An update's live payload for each channel it goes to. Who has left by it is named to whoever serves the chat's channel.
pub fn live_messages<'a>(
    chat_id: ChatId,
    update: &Bytes,
    announced_to: &'a [UserId],
    left: &[UserId],
) -> impl Iterator<Item = (Channel, Bytes)> + use<'a> {
    let frame = wrap(SERVER_FRAME_UPDATE, update);
    let payload = wrap(LIVE_PAYLOAD_SERVER_FRAME, &frame);
    let to_chat = if left.is_empty() { payload.clone() } else { members_left(chat_id, left, frame) };
    let users = announced_to.iter().map(move |user_id| (Channel::User(*user_id), payload.clone()));
    users.chain([(Channel::Chat(chat_id), to_chat)])
}

/// What is told on a chat's channel of an update that is not the same for all who hear it: where the log stands now.
pub fn advanced(chat_id: ChatId, seq: Seq) -> (Channel, Bytes) {
    let advanced = pb::AdvancedFrame { chat_id: chat_id.to_string(), seq: seq.get() };
    let frame = pb::ServerFrame { id: String::new(), frame: Some(pb::server_frame::Frame::Advanced(advanced)) };
    (Channel::Chat(chat_id), wrap(LIVE_PAYLOAD_SERVER_FRAME, &frame.encode_to_vec().into()))
}

/// Whether a live payload is nothing but frames: such payloads side by side are one, `godwit.events.v1.LiveFrames`.
pub fn is_frames(payload: &Bytes) -> bool {
    /// Of the field `server_frame`, length-delimited.
    const KEY: u8 = 0x0a;
    payload.first() == Some(&KEY)
}

/// `LivePayload { members_left }`, with an encoded server frame or an empty one.
pub fn members_left(chat_id: ChatId, left: &[UserId], server_frame: Bytes) -> Bytes {
    let user_ids = left.iter().map(UserId::to_string).collect();
    let left = MembersLeft { server_frame, user_ids, chat_id: chat_id.to_string() };
    LivePayload { payload: Some(Payload::MembersLeft(left)) }.encode_to_vec().into()
}

/// `LivePayload { membership_lost }`.
pub fn membership_lost() -> Bytes {
    LivePayload { payload: Some(Payload::MembershipLost(MembershipLost {})) }.encode_to_vec().into()
}

/// An encoded message with one length-delimited field.
fn wrap(tag: u32, field: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(prost::encoding::bytes::encoded_len(tag, field));
    prost::encoding::bytes::encode(tag, field, &mut bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use godwit_contract::events::v1::LiveFrames;
    use godwit_contract::v1::update::Change as PbChange;
    use godwit_kernel::EventId;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Body, Change, Entry, Epoch, MembershipVersion, NewEvent, Placed, Planned};
    use crate::wire::encode_update;

    fn planned() -> Planned {
        let placed = Placed {
            seq: Seq::new(7).unwrap(),
            epoch: Epoch::from_store("e".to_owned()),
            occurred_at: datetime!(2026-06-01 12:00:00.5 UTC),
        };
        let chat_id = ChatId::from_uuid(Uuid::from_u128(9));
        Planned { place: 0, chat_id, placed, actor_id: None, body: Body::AsAsked }
    }

    fn created() -> pb::Update {
        let change = PbChange::ChatCreated(pb::ChatCreated {
            kind: pb::ChatKind::Direct.into(),
            member_ids: vec![Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string()],
            info: None,
        });
        pb::Update { actor_id: Uuid::from_u128(1).to_string(), change: Some(change), ..pb::Update::default() }
    }

    fn event(update: pb::Update) -> Entry {
        let change = Change::Event(NewEvent {
            event_id: EventId::from_uuid(Uuid::nil()),
            membership_version: MembershipVersion::default(),
            announced_to: announced_to(&update),
            membership: membership(&update),
            partial_update: partial_update(update),
        });
        Entry { chat_id: ChatId::from_uuid(Uuid::from_u128(9)), headers: Headers::new(), change }
    }

    #[test]
    fn the_log_gives_an_event_its_place_and_keeps_its_change() {
        let mut asked = created();
        asked.seq = 99;
        asked.epoch = "forged".to_owned();
        let bytes = encode_update(&event(asked), &planned());
        let update = pb::Update::decode(bytes.clone()).unwrap();
        let chat_id = Uuid::from_u128(9).to_string();
        let occurred_at = Some(godwit_rpc::timestamp(planned().placed.occurred_at));
        assert_eq!(update, pb::Update { chat_id, seq: 7, epoch: "e".to_owned(), occurred_at, ..created() });
        assert_eq!(update.encode_to_vec(), bytes, "the stored bytes are the canonical ones");
    }

    #[test]
    fn a_live_payload_is_a_server_frame_around_the_stored_bytes() {
        let entry = event(created());
        let bytes = encode_update(&entry, &planned());
        let announced = announced_to(&created());
        let messages: Vec<_> = live_messages(entry.chat_id, &bytes, &announced, &[]).collect();
        let channels: Vec<Channel> = messages.iter().map(|(channel, _)| *channel).collect();
        assert_eq!(channels, [Channel::User(announced[0]), Channel::User(announced[1]), Channel::Chat(entry.chat_id)]);
        let Some(Payload::ServerFrame(frame)) = LivePayload::decode(messages[2].1.clone()).unwrap().payload else {
            panic!("not a server frame");
        };
        let update = pb::Update::decode(bytes).unwrap();
        let expected = pb::ServerFrame { id: String::new(), frame: Some(pb::server_frame::Frame::Update(update)) };
        assert_eq!(pb::ServerFrame::decode(frame).unwrap(), expected);
    }

    #[test]
    fn payloads_of_frames_side_by_side_are_one() {
        let entry = event(created());
        let bytes = encode_update(&entry, &planned());
        let Some((_, payload)) = live_messages(entry.chat_id, &bytes, &[], &[]).next() else { panic!("no payload") };
        assert!(is_frames(&payload));
        let Some(Payload::ServerFrame(frame)) = LivePayload::decode(payload.clone()).unwrap().payload else {
            panic!("not a server frame");
        };
        let both: Bytes = [payload.clone(), payload].concat().into();
        assert_eq!(LiveFrames::decode(both.clone()).unwrap().server_frames, [frame.clone(), frame.clone()]);
        let read_as_one = LivePayload::decode(both).unwrap().payload;
        assert_eq!(read_as_one, Some(Payload::ServerFrame(frame)), "a release that knows no more shows the last");
    }

    #[test]
    fn who_leaves_is_named_beside_the_frame() {
        let gone = UserId::from_uuid(Uuid::from_u128(2));
        let chat_id = ChatId::from_uuid(Uuid::from_u128(9));
        let bytes = encode_update(&event(created()), &planned());
        let (_, payload) = live_messages(chat_id, &bytes, &[], &[gone]).next().unwrap();
        assert!(!is_frames(&payload));
        let Some(Payload::MembersLeft(left)) = LivePayload::decode(payload).unwrap().payload else {
            panic!("nobody left");
        };
        assert_eq!((left.user_ids, left.chat_id), (vec![gone.to_string()], chat_id.to_string()));
        assert!(pb::ServerFrame::decode(left.server_frame).unwrap().frame.is_some());
    }
}
