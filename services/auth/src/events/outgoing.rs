//! Records for the outbox.

use godwit_contract::events::v1::{AccountEvent, AccountVerified, account_event};
use godwit_events::{NewRecord, topics};
use godwit_kernel::{Clock, Entropy, EventId};
use prost::Message as _;
use time::OffsetDateTime;

use crate::domain::User;
use crate::grpc::encode_user;

/// The account exists: it may log in.
pub fn account_verified(user: &User, now: OffsetDateTime, clock: &dyn Clock, entropy: &dyn Entropy) -> NewRecord {
    let event = AccountEvent {
        event_id: EventId::generate(clock, entropy).to_string(),
        occurred_at: Some(godwit_rpc::timestamp(now)),
        event: Some(account_event::Event::AccountVerified(AccountVerified { user: Some(encode_user(user)) })),
    };
    let key = bytes::Bytes::copy_from_slice(user.id.as_bytes());
    NewRecord::new(&topics::ACCOUNTS, key, event.encode_to_vec())
}
