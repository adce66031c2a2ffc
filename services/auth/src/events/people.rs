//! Records of what happens to profiles and between people.

use bytes::Bytes;
use godwit_contract::events::v1::{AccountEvent, BlockChanged, FriendshipChanged, ProfileChanged, account_event};
use godwit_events::{NewRecord, topics};
use godwit_kernel::{Clock, Entropy, EventId, UserId};
use prost::Message as _;
use time::OffsetDateTime;

use crate::domain::{Bond, Change, Pair, User};
use crate::grpc::encode_user;

/// Whether what an event tells is so from now on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    So,
    NoMore,
}

/// Makes the events of one instant.
pub struct Teller<'a> {
    /// When it happens.
    pub at: OffsetDateTime,
    /// For the ids of events.
    pub clock: &'a dyn Clock,
    /// For the ids of events.
    pub entropy: &'a dyn Entropy,
}

impl Teller<'_> {
    /// The profile is this now.
    pub fn profile_changed(&self, user: &User) -> NewRecord {
        let event = ProfileChanged { user: Some(encode_user(user)) };
        self.record(user.id, account_event::Event::ProfileChanged(event))
    }

    /// What a change between two people is to each of them; requests are told nobody else.
    pub fn relationship_changed(&self, actor: UserId, pair: Pair, change: Change) -> Vec<NewRecord> {
        let other = pair.other_than(actor);
        match change {
            Change::Nothing | Change::RequestMade | Change::RequestGone => vec![],
            Change::FriendshipMade => self.friendship_changed(pair, Now::So),
            Change::FriendshipEnded => self.friendship_changed(pair, Now::NoMore),
            Change::BlockSet { before: Bond::Friends { .. } } => {
                let mut records = self.friendship_changed(pair, Now::NoMore);
                records.push(self.block_changed(actor, other, Now::So));
                records
            }
            Change::BlockSet { .. } => vec![self.block_changed(actor, other, Now::So)],
            Change::BlockLifted => vec![self.block_changed(actor, other, Now::NoMore)],
        }
    }

    fn friendship_changed(&self, pair: Pair, now: Now) -> Vec<NewRecord> {
        let of = |user_id: UserId| {
            let event = FriendshipChanged {
                user_id: user_id.to_string(),
                other_user_id: pair.other_than(user_id).to_string(),
                is_friend: now == Now::So,
            };
            self.record(user_id, account_event::Event::FriendshipChanged(event))
        };
        vec![of(pair.low()), of(pair.high())]
    }

    fn block_changed(&self, actor: UserId, other: UserId, now: Now) -> NewRecord {
        let event =
            BlockChanged { user_id: actor.to_string(), blocked_user_id: other.to_string(), is_blocked: now == Now::So };
        self.record(actor, account_event::Event::BlockChanged(event))
    }

    fn record(&self, key: UserId, event: account_event::Event) -> NewRecord {
        let event = AccountEvent {
            event_id: EventId::generate(self.clock, self.entropy).to_string(),
            occurred_at: Some(godwit_rpc::timestamp(self.at)),
            event: Some(event),
        };
        NewRecord::new(&topics::ACCOUNTS, Bytes::copy_from_slice(key.as_bytes()), event.encode_to_vec())
    }
}
