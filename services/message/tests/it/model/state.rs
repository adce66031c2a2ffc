use std::collections::BTreeMap;

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MessageId, UserId};

use crate::harness::Client;

/// What a chat is to a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    chat_id: String,
    viewer_id: String,
    pub messages: BTreeMap<String, pb::Message>,
    pub pins: Vec<String>,
    pub receipts: BTreeMap<String, (u64, u64)>,
    pub read_seq: u64,
    visible_from_seq: u64,
}

impl State {
    /// Of a chat of which nothing is known.
    pub fn empty(chat_id: ChatId, viewer: UserId) -> Self {
        Self { chat_id: chat_id.to_string(), viewer_id: viewer.to_string(), ..Self::default() }
    }

    /// What the server says now.
    pub async fn fresh(client: &Client, viewer: UserId, chat_id: ChatId) -> (u64, Self) {
        let head = client.head(chat_id).await;
        let mut state = Self::empty(chat_id, viewer);
        state.pins = head.pinned_message_ids;
        state.read_seq = head.read_seq;
        state.visible_from_seq = head.visible_from_seq;
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

    /// Applies an update of the chat's log, or of the viewer's own.
    pub fn apply(&mut self, update: &pb::Update) {
        use pb::update::Change;
        let is_own = update.actor_id == self.viewer_id;
        match update.change.clone().unwrap() {
            Change::ChatCreated(created) if created.member_ids.contains(&self.viewer_id) => self.read(update.seq),
            Change::MessageCreated(created) => {
                let message = created.message.unwrap();
                if !message.is_deleted {
                    self.messages.insert(message.id.clone(), message);
                }
            }
            Change::MessageEdited(edited) => {
                let message = edited.message.unwrap();
                if let Some(known) = self.messages.get_mut(&message.id).filter(|_| !message.is_deleted) {
                    let pb::Message { reactions, my_reaction, .. } = std::mem::take(known);
                    *known = pb::Message { reactions, my_reaction, ..message };
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
            Change::MessageHidden(hidden) => {
                self.messages.remove(&hidden.message_id);
            }
            Change::HistoryCleared(cleared) if cleared.chat_id == self.chat_id => {
                self.messages.retain(|_, message| message.seq > cleared.cleared_seq);
            }
            Change::ReactionsChanged(changed) => {
                if let Some(message) = self.messages.get_mut(&changed.message_id) {
                    message.reactions = changed.reactions;
                    if is_own {
                        message.my_reaction = changed.emoji;
                    }
                }
            }
            Change::OwnReactionChanged(own) => {
                if let Some(message) = self.messages.get_mut(&own.message_id) {
                    message.my_reaction = own.emoji;
                }
            }
            Change::PinsChanged(changed) => {
                let is_visible = |id: &String| id.parse::<MessageId>().unwrap().seq.get() >= self.visible_from_seq;
                self.pins = changed.pinned_message_ids.into_iter().filter(is_visible).collect();
            }
            Change::ReceiptAdvanced(receipt) if is_own => self.read(receipt.read_seq),
            Change::ReceiptAdvanced(receipt) => {
                self.receipts.insert(update.actor_id.clone(), (receipt.read_seq, receipt.delivered_seq));
            }
            Change::OwnReadAdvanced(own) if own.chat_id == self.chat_id => self.read(own.read_seq),
            _ => {}
        }
    }

    fn read(&mut self, seq: u64) {
        self.read_seq = self.read_seq.max(seq);
    }

    /// How many messages of others are not read.
    pub fn unread_count(&self) -> usize {
        let is_unread = |message: &&pb::Message| message.sender_id != self.viewer_id && message.seq > self.read_seq;
        self.messages.values().filter(is_unread).count()
    }
}
