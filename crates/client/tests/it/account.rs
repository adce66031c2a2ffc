//! What the small server knows: chats with their logs, and tokens.

use std::collections::{BTreeMap, HashMap, HashSet};

use godwit_contract::message::v1::{ChatUpdates, UnloggedState};
use godwit_contract::v1::{Chat, Message, MessageCreated, Update, update};

/// The state of the only account.
#[derive(Default)]
pub struct Account {
    /// What no log holds.
    pub state: Option<UnloggedState>,
    pub chats: BTreeMap<String, Vec<Update>>,
    /// Chats of which nothing can be given now but, to who syncs the account, the newest.
    pub failing: HashSet<String>,
    /// Chats that cannot be loaded now.
    pub unloadable: HashSet<String>,
    pub epochs: HashMap<String, String>,
    /// Every update of every chat, in the order of the account cursor.
    order: Vec<(String, u64)>,
    /// Messages by chat and client message id.
    sent: HashMap<(String, String), Message>,
    /// Tokens that are accepted now.
    pub tokens: HashSet<String>,
    /// The only refresh token that is accepted, and how often one was used.
    pub refresh_token: String,
    pub refresh_count: usize,
    /// How often each path was called.
    pub calls: HashMap<String, usize>,
}

impl Account {
    pub fn append(&mut self, chat: &str, change: Option<update::Change>) -> Update {
        let epoch = self.epochs.entry(chat.to_owned()).or_insert_with(|| "e1".to_owned()).clone();
        let log = self.chats.entry(chat.to_owned()).or_default();
        let seq = u64::try_from(log.len()).unwrap() + 1;
        let update = Update { chat_id: chat.to_owned(), seq, epoch, change, ..Update::default() };
        log.push(update.clone());
        self.order.push((chat.to_owned(), seq));
        update
    }

    /// The message, and its update when it is new.
    pub fn send(&mut self, chat: &str, client_message_id: &str, text: &str) -> (Message, Option<Update>) {
        let key = (chat.to_owned(), client_message_id.to_owned());
        if let Some(message) = self.sent.get(&key) {
            return (message.clone(), None);
        }
        let message = Message {
            chat_id: chat.to_owned(),
            seq: u64::try_from(self.chats.get(chat).map_or(0, Vec::len)).unwrap() + 1,
            client_message_id: client_message_id.to_owned(),
            text: text.to_owned(),
            ..Message::default()
        };
        let created = MessageCreated { message: Some(message.clone()) };
        let update = self.append(chat, Some(update::Change::MessageCreated(created)));
        self.sent.insert(key, message.clone());
        (message, Some(update))
    }

    pub fn texts(&self, chat: &str) -> Vec<String> {
        let text = |update: &Update| match update.change.clone()? {
            update::Change::MessageCreated(created) => Some(created.message?.text),
            _ => None,
        };
        self.chats.get(chat).into_iter().flatten().filter_map(text).collect()
    }

    pub fn chat(&self, chat: &str) -> Option<Chat> {
        let seq = u64::try_from(self.chats.get(chat)?.len()).unwrap();
        Some(Chat { id: chat.to_owned(), seq, epoch: self.epochs.get(chat)?.clone(), ..Chat::default() })
    }

    pub fn page(&self, chat: &str, after: u64, limit: usize, epoch: &str) -> Option<ChatUpdates> {
        let log = self.chats.get(chat)?;
        let own = self.epochs.get(chat)?;
        let reset = !epoch.is_empty() && epoch != own;
        let rest = log.iter().skip(usize::try_from(after).unwrap());
        let updates: Vec<_> = rest.clone().take(if reset { 0 } else { limit }).cloned().collect();
        Some(ChatUpdates {
            chat_id: chat.to_owned(),
            has_more: !reset && rest.count() > updates.len(),
            updates,
            head_seq: u64::try_from(log.len()).unwrap(),
            epoch: own.clone(),
            reset,
        })
    }

    /// The account's updates after a cursor, chat by chat; the next cursor; whether there are more.
    pub fn changes(&self, cursor: usize, limit: usize) -> (Vec<ChatUpdates>, usize, bool) {
        let next = self.order.len().min(cursor + limit);
        let mut chats: BTreeMap<&str, ChatUpdates> = BTreeMap::new();
        for (chat, seq) in self.order.iter().take(next).skip(cursor) {
            let page = chats.entry(chat).or_insert_with(|| self.page(chat, *seq, 0, "").unwrap());
            page.has_more = false;
            page.updates.extend(self.page(chat, seq - 1, 1, "").unwrap().updates);
            if self.failing.contains(chat) {
                page.updates.drain(..page.updates.len() - 1);
            }
        }
        (chats.into_values().collect(), next, next < self.order.len())
    }

    pub const fn cursor_now(&self) -> usize {
        self.order.len()
    }
}
