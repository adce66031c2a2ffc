//! Updates as they are stored and published.

use bytes::{Bytes, BytesMut};
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change as PbChange;
use godwit_events::{NewRecord, topics};
use godwit_kernel::{ChatId, UserId};
use godwit_live::Channel;
use prost::Message as _;

use crate::domain::{Change, Entry, Headers, Message, NewMessage, Placed};

/// `update` in `godwit.v1.ServerFrame`.
const SERVER_FRAME_UPDATE: u32 = 4;
/// `server_frame` in `godwit.events.v1.LivePayload`.
const LIVE_PAYLOAD_SERVER_FRAME: u32 = 1;

/// The stored bytes of an update: an encoded `godwit.v1.Update`. They are made here once; storing, publishing and
/// syncing hand on the same bytes.
pub fn encode_update(entry: &Entry, placed: &Placed) -> Bytes {
    let mut update = pb::Update {
        chat_id: entry.chat_id.to_string(),
        seq: placed.seq.get(),
        epoch: placed.epoch.as_str().to_owned(),
        occurred_at: Some(godwit_rpc::timestamp(placed.occurred_at)),
        actor_id: String::new(),
        change: None,
    };
    match &entry.change {
        Change::Message(new) => {
            update.actor_id = new.sender_id.to_string();
            let message = encode_message(&message_of(entry.chat_id, new, placed));
            update.change = Some(PbChange::MessageCreated(pb::MessageCreated { message: Some(message) }));
            update.encode_to_vec().into()
        }
        Change::Event(event) => {
            // One encoded message behind another of its type is their union: actor and change come from the second.
            let mut bytes = BytesMut::with_capacity(update.encoded_len() + event.partial_update.len());
            bytes.extend_from_slice(&update.encode_to_vec());
            bytes.extend_from_slice(&event.partial_update);
            bytes.freeze()
        }
    }
}

/// The message that `new` became.
pub fn message_of(chat_id: ChatId, new: &NewMessage, placed: &Placed) -> Message {
    Message {
        chat_id,
        seq: placed.seq,
        sender_id: new.sender_id,
        client_message_id: new.client_message_id.clone(),
        text: new.text.clone(),
        sent_at: placed.occurred_at,
    }
}

/// The contract's form of a message.
pub fn encode_message(message: &Message) -> pb::Message {
    pb::Message {
        id: message.id().to_string(),
        chat_id: message.chat_id.to_string(),
        seq: message.seq.get(),
        sender_id: message.sender_id.to_string(),
        client_message_id: message.client_message_id.as_str().to_owned(),
        text: message.text.as_str().to_owned(),
        sent_at: Some(godwit_rpc::timestamp(message.sent_at)),
        ..pb::Message::default()
    }
}

/// What actor and change are, as another service had them: everything else is given by the log.
pub fn partial_update(update: pb::Update) -> Bytes {
    pb::Update { actor_id: update.actor_id, change: update.change, ..pb::Update::default() }.encode_to_vec().into()
}

/// Who must be told on their own because they cannot follow the chat's channel yet: the members of a chat that
/// begins.
pub fn announced_to(update: &pb::Update) -> Vec<UserId> {
    match &update.change {
        Some(PbChange::ChatCreated(created)) => created.member_ids.iter().filter_map(|id| id.parse().ok()).collect(),
        _ => Vec::new(),
    }
}

/// The headers that carry the trace of whoever asks now.
pub fn current_headers() -> Headers {
    NewRecord::new(&topics::CHAT_UPDATES, Bytes::new(), Bytes::new()).headers
}

/// An update's record on the stream.
pub fn stream_record(chat_id: ChatId, payload: Bytes, headers: Headers) -> NewRecord {
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    NewRecord { topic: &topics::CHAT_UPDATES, key, payload, headers }
}

/// An update's live payload for each channel it goes to.
pub fn live_messages<'a>(
    chat_id: ChatId,
    update: &Bytes,
    announced_to: &'a [UserId],
) -> impl Iterator<Item = (Channel, Bytes)> + use<'a> {
    let payload = live_payload(update);
    let users = announced_to.iter().map(|user_id| Channel::User(*user_id));
    users.chain([Channel::Chat(chat_id)]).map(move |channel| (channel, payload.clone()))
}

/// `LivePayload { server_frame: ServerFrame { update } }` around the stored bytes as they are.
fn live_payload(update: &Bytes) -> Bytes {
    wrap(LIVE_PAYLOAD_SERVER_FRAME, &wrap(SERVER_FRAME_UPDATE, update))
}

/// An encoded message with one length-delimited field.
fn wrap(tag: u32, field: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(prost::encoding::bytes::encoded_len(tag, field));
    prost::encoding::bytes::encode(tag, field, &mut bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use godwit_contract::events::v1::{LivePayload, live_payload::Payload};
    use godwit_kernel::{EventId, Seq};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Epoch, MembershipVersion, NewEvent};

    fn placed() -> Placed {
        Placed {
            seq: Seq::new(7).unwrap(),
            epoch: Epoch::from_store("e".to_owned()),
            occurred_at: datetime!(2026-06-01 12:00:00.5 UTC),
        }
    }

    fn created() -> pb::Update {
        let change = PbChange::ChatCreated(pb::ChatCreated {
            kind: pb::ChatKind::Direct.into(),
            member_ids: vec![Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string()],
        });
        pb::Update { actor_id: Uuid::from_u128(1).to_string(), change: Some(change), ..pb::Update::default() }
    }

    fn event(update: pb::Update) -> Entry {
        let change = Change::Event(NewEvent {
            event_id: EventId::from_uuid(Uuid::nil()),
            membership_version: MembershipVersion::default(),
            announced_to: announced_to(&update),
            partial_update: partial_update(update),
        });
        Entry { chat_id: ChatId::from_uuid(Uuid::from_u128(9)), headers: Headers::new(), change }
    }

    #[test]
    fn the_log_gives_an_event_its_place_and_keeps_its_change() {
        let mut asked = created();
        asked.seq = 99;
        asked.epoch = "forged".to_owned();
        let bytes = encode_update(&event(asked), &placed());
        let update = pb::Update::decode(bytes.clone()).unwrap();
        let chat_id = Uuid::from_u128(9).to_string();
        let occurred_at = Some(godwit_rpc::timestamp(placed().occurred_at));
        assert_eq!(update, pb::Update { chat_id, seq: 7, epoch: "e".to_owned(), occurred_at, ..created() });
        assert_eq!(update.encode_to_vec(), bytes, "the stored bytes are the canonical ones");
    }

    #[test]
    fn a_live_payload_is_a_server_frame_around_the_stored_bytes() {
        let entry = event(created());
        let bytes = encode_update(&entry, &placed());
        let announced = announced_to(&created());
        let messages: Vec<_> = live_messages(entry.chat_id, &bytes, &announced).collect();
        let channels: Vec<Channel> = messages.iter().map(|(channel, _)| *channel).collect();
        assert_eq!(channels, [Channel::User(announced[0]), Channel::User(announced[1]), Channel::Chat(entry.chat_id)]);
        let Some(Payload::ServerFrame(frame)) = LivePayload::decode(messages[2].1.clone()).unwrap().payload else {
            panic!("not a server frame");
        };
        let update = pb::Update::decode(bytes).unwrap();
        let expected = pb::ServerFrame { id: String::new(), frame: Some(pb::server_frame::Frame::Update(update)) };
        assert_eq!(pb::ServerFrame::decode(frame).unwrap(), expected);
    }
}
