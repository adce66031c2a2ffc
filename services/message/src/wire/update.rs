use bytes::Bytes;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change as PbChange;
use godwit_kernel::{ChatId, MessageId, Seq};
use prost::Message as _;

use super::extras::{encode_counts, encode_preview};
use super::message::{encode_message, message_of};
use crate::domain::{Body, Change, Entry, Message, Planned};

/// The stored bytes of an update: an encoded `godwit.v1.Update`. They are made here once; storing, publishing and
/// syncing hand on the same bytes.
pub fn encode_update(entry: &Entry, planned: &Planned) -> Bytes {
    let Planned { chat_id, placed, actor_id, body, .. } = planned;
    let mut update = pb::Update {
        chat_id: chat_id.to_string(),
        seq: placed.seq.get(),
        epoch: placed.epoch.as_str().to_owned(),
        occurred_at: Some(godwit_rpc::timestamp(placed.occurred_at)),
        actor_id: actor_id.map(|id| id.to_string()).unwrap_or_default(),
        change: None,
    };
    if let (Body::AsAsked | Body::WithReceipts(_), Change::Event(event)) = (body, &entry.change) {
        // One encoded message behind another of its type is their union: actor and change come from the second, receipts from
        // the third.
        return [&update.encode_to_vec()[..], &event.partial_update, &receipts(body)].concat().into();
    }
    update.change = match body {
        Body::AsAsked | Body::WithReceipts(_) => asked(entry, planned),
        body => done(*chat_id, body),
    };
    update.encode_to_vec().into()
}

fn asked(entry: &Entry, planned: &Planned) -> Option<PbChange> {
    match &entry.change {
        Change::Message(new) => {
            let message = encode_message(&message_of(entry.chat_id, new, &planned.placed));
            Some(PbChange::MessageCreated(pb::MessageCreated { message: Some(message) }))
        }
        Change::Preview(new) => Some(PbChange::LinkPreviewAdded(pb::LinkPreviewAdded {
            message_id: id(entry.chat_id, new.seq),
            link_preview: Some(encode_preview(&new.preview)),
        })),
        Change::Action(_) | Change::Event(_) => None,
    }
}

fn done(chat: ChatId, body: &Body) -> Option<PbChange> {
    Some(match body {
        Body::AsAsked | Body::WithReceipts(_) => return None,
        Body::Edited(message) => {
            let plain = Message { reactions: Vec::new(), my_reaction: None, ..message.as_ref().clone() };
            PbChange::MessageEdited(pb::MessageEdited { message: Some(encode_message(&plain)) })
        }
        Body::Deleted(seq) => PbChange::MessageDeleted(pb::MessageDeleted { message_id: id(chat, *seq) }),
        Body::Reactions { seq, emoji, counts } => PbChange::ReactionsChanged(pb::ReactionsChanged {
            message_id: id(chat, *seq),
            emoji: emoji.as_ref().map(ToString::to_string).unwrap_or_default(),
            reactions: encode_counts(counts),
        }),
        Body::Receipt(cursors) => PbChange::ReceiptAdvanced(pb::ReceiptAdvanced {
            read_seq: cursors.read_seq.get(),
            delivered_seq: cursors.delivered_seq.get(),
        }),
        Body::Pins { seq, is_pinned, pinned } => PbChange::PinsChanged(pb::PinsChanged {
            message_id: id(chat, *seq),
            is_pinned: *is_pinned,
            pinned_message_ids: pinned.iter().map(|seq| id(chat, *seq)).collect(),
        }),
        Body::Hidden(message_id) => PbChange::MessageHidden(pb::MessageHidden { message_id: message_id.to_string() }),
        Body::Cleared(chat_id, seq) => {
            PbChange::HistoryCleared(pb::HistoryCleared { chat_id: chat_id.to_string(), cleared_seq: seq.get() })
        }
        Body::OwnRead(chat_id, seq) => {
            PbChange::OwnReadAdvanced(pb::OwnReadAdvanced { chat_id: chat_id.to_string(), read_seq: seq.get() })
        }
        Body::OwnReaction(message_id, emoji) => PbChange::OwnReactionChanged(pb::OwnReactionChanged {
            message_id: message_id.to_string(),
            emoji: emoji.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
    })
}

/// The receipts that a removal bears, as an update of nothing else.
fn receipts(body: &Body) -> Vec<u8> {
    let Body::WithReceipts(receipts) = body else { return Vec::new() };
    let receipts = receipts.iter().map(|(user_id, cursors)| pb::Receipt {
        user_id: user_id.to_string(),
        read_seq: cursors.read_seq.get(),
        delivered_seq: cursors.delivered_seq.get(),
    });
    let removed = pb::MemberRemoved { receipts: receipts.collect(), ..pb::MemberRemoved::default() };
    pb::Update { change: Some(PbChange::MemberRemoved(removed)), ..pb::Update::default() }.encode_to_vec()
}

fn id(chat_id: ChatId, seq: Seq) -> String {
    MessageId { chat_id, seq }.to_string()
}

/// What actor and change are, as another service had them: everything else is given by the log.
pub fn partial_update(update: pb::Update) -> Bytes {
    pb::Update { actor_id: update.actor_id, change: update.change, ..pb::Update::default() }.encode_to_vec().into()
}
