use std::collections::BTreeMap;

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::ChatId;

use crate::harness::Client;

/// What a chat is to a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub messages: BTreeMap<String, pb::Message>,
    pub pins: Vec<String>,
    pub receipts: BTreeMap<String, (u64, u64)>,
}

impl State {
    /// What the server says now.
    pub async fn fresh(client: &Client, chat_id: ChatId) -> (u64, Self) {
        let head = client.head(chat_id).await;
        let mut state = Self { pins: head.pinned_message_ids, ..Self::default() };
        for receipt in head.receipts.into_iter().filter(|receipt| receipt.delivered_seq > 0) {
            state.receipts.insert(receipt.user_id, (receipt.read_seq, receipt.delivered_seq));
        }
        let mut before_seq = None;
        loop {
            let chat_id = chat_id.to_string();
            let request = api::ListMessagesRequest { chat_id, before_seq, limit: 7, ..Default::default() };
            let page = client.list(request).await.unwrap();
            before_seq = page.messages.last().map(|message| message.seq);
            state.messages.extend(page.messages.into_iter().map(|message| (message.id.clone(), message)));
            if !page.has_more {
                return (head.last_seq, state);
            }
        }
    }

    pub fn apply(&mut self, update: &pb::Update) {
        use pb::update::Change;
        match update.change.clone().unwrap() {
            Change::MessageCreated(created) => {
                let message = created.message.unwrap();
                if !message.is_deleted {
                    self.messages.insert(message.id.clone(), message);
                }
            }
            Change::MessageEdited(edited) => {
                let message = edited.message.unwrap();
                if let Some(known) = self.messages.get_mut(&message.id).filter(|_| !message.is_deleted) {
                    *known = pb::Message { reactions: std::mem::take(&mut known.reactions), ..message };
                }
            }
            Change::MessageDeleted(deleted) => {
                self.messages.remove(&deleted.message_id);
                self.pins.retain(|id| *id != deleted.message_id);
                let replies = self.messages.values_mut().filter_map(|message| message.reply_to.as_mut());
                for reply in replies.filter(|reply| reply.message_id == deleted.message_id) {
                    reply.snippet.clear();
                    reply.is_deleted = true;
                }
            }
            Change::ReactionsChanged(changed) => {
                if let Some(message) = self.messages.get_mut(&changed.message_id) {
                    message.reactions = changed.reactions;
                }
            }
            Change::PinsChanged(changed) => self.pins = changed.pinned_message_ids,
            Change::ReceiptAdvanced(receipt) => {
                self.receipts.insert(update.actor_id.clone(), (receipt.read_seq, receipt.delivered_seq));
            }
            _ => {}
        }
    }
}
