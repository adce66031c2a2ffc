//! Decode, call the use case, encode.

mod index_internal_service;
mod message_internal_service;
mod message_service;
mod pin_service;
mod reaction_service;
mod receipt_service;
mod scheduled_service;

use std::sync::Arc;

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::Seq;
use godwit_rpc::InvalidField;
use prost::Message as _;

use crate::app::{App, ChatPage};
use crate::domain::StoredUpdate;
use crate::error::Error;

/// All gRPC services over one app.
#[derive(Clone)]
pub struct Server(pub Arc<App>);

fn encode_page(page: ChatPage) -> Result<api::ChatUpdates, Error> {
    Ok(api::ChatUpdates {
        chat_id: page.chat_id.to_string(),
        updates: page.updates.into_iter().map(decode_update).collect::<Result<_, _>>()?,
        head_seq: page.head_seq.get(),
        epoch: page.epoch,
        has_more: page.has_more,
        reset: page.reset,
    })
}

fn decode_update(update: StoredUpdate) -> Result<pb::Update, Error> {
    let damaged = Error::Damaged { chat_id: update.chat_id, problem: "an update cannot be decoded" };
    pb::Update::decode(update.payload).map_err(|_| damaged)
}

/// The `Idempotency-Key` where a client names its message in no other way.
fn or_key(client_message_id: String, key: Option<String>) -> String {
    if client_message_id.is_empty() { key.unwrap_or_default() } else { client_message_id }
}

fn decode_seq(field: &'static str, number: u64) -> Result<Seq, InvalidField> {
    Seq::new(number).ok_or_else(|| InvalidField::new(field, "must be below 2^63"))
}
