use std::collections::{BTreeMap, HashMap};

use godwit_contract::chat::v1::{ChatListeners, CheckListenersRequest, ListenerQuery};
use godwit_contract::v1::ChatKind;
use godwit_kernel::limits::INTERNAL_PAGE_MAX;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Target, instant, retry_idempotent};

use super::{Peers, failed};
use crate::domain::{ChatFacts, Listener};
use crate::error::Error;

/// Who of some people is in which of some chats.
#[derive(Debug, Default)]
pub struct Listeners {
    chats: HashMap<ChatId, ChatFacts>,
    listeners: HashMap<(ChatId, UserId), Listener>,
}

impl Listeners {
    /// What a chat is; `None` for one that is not there, or where nobody asked for is a member.
    pub fn chat(&self, chat_id: ChatId) -> Option<&ChatFacts> {
        self.chats.get(&chat_id)
    }

    /// A member; `None` for who is none.
    pub fn listener(&self, chat_id: ChatId, user_id: UserId) -> Option<Listener> {
        self.listeners.get(&(chat_id, user_id)).copied()
    }

    /// What cannot be read counts as absent.
    fn add(&mut self, chat: ChatListeners) {
        let Ok(chat_id) = chat.chat_id.parse() else { return };
        let is_answered = chat.kind() != ChatKind::Channel;
        for member in chat.members {
            let joined_at = member.joined_at.as_ref().and_then(instant);
            if let (Ok(user_id), Some(joined_at)) = (member.user_id.parse(), joined_at) {
                self.listeners.insert((chat_id, user_id), Listener { joined_at, is_muted: member.is_muted });
            }
        }
        let (title, is_history_visible) = (chat.title, chat.is_history_visible);
        self.chats.insert(chat_id, ChatFacts { is_answered, title, is_history_visible });
    }
}

impl Peers {
    /// Who of these pairs of chat and person is a member now, and has muted the chat.
    ///
    /// # Errors
    /// When the chat service does not answer.
    pub async fn check_listeners(&self, pairs: &[(ChatId, UserId)]) -> Result<Listeners, Error> {
        let mut listeners = Listeners::default();
        for chunk in pairs.chunks(usize::try_from(INTERNAL_PAGE_MAX).unwrap_or(usize::MAX)) {
            let mut queries: BTreeMap<ChatId, Vec<String>> = BTreeMap::new();
            for (chat_id, user_id) in chunk {
                queries.entry(*chat_id).or_default().push(user_id.to_string());
            }
            let query = |(chat_id, user_ids): (ChatId, _)| ListenerQuery { chat_id: chat_id.to_string(), user_ids };
            let request = CheckListenersRequest { queries: queries.into_iter().map(query).collect() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.listeners.clone(), request.clone());
                async move { client.check_listeners(request).await }
            });
            let chats = answer.await.map_err(|status| failed(Target::Chat, status))?.into_inner().chats;
            chats.into_iter().for_each(|chat| listeners.add(chat));
        }
        Ok(listeners)
    }
}
