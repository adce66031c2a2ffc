use godwit_contract::message::v1::ChatHead;
use godwit_contract::v1::User;

use super::App;
use crate::Error;
use crate::domain::Chat;

/// A chat with what other services know of it.
#[derive(Clone, Debug)]
pub struct DescribedChat {
    /// The chat.
    pub chat: Chat,
    /// The other party; `None` when the account is gone.
    pub peer: Option<User>,
    /// Where its log stands.
    pub head: ChatHead,
}

impl App {
    /// Adds the other parties and the heads of the logs. A chat whose log has no update yet is still being made, and
    /// left out.
    pub(super) async fn describe_chats(&self, chats: Vec<Chat>) -> Result<Vec<DescribedChat>, Error> {
        let peer_ids: Vec<_> = chats.iter().map(|chat| chat.peer_id).collect();
        let chat_ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
        let (peers, mut heads) = tokio::try_join!(self.users.get(&peer_ids), self.logs.heads(&chat_ids))?;
        let described = chats.into_iter().filter_map(|chat| {
            let head = heads.remove(&chat.id.to_string())?;
            let peer = peers.get(&chat.peer_id.to_string()).cloned();
            Some(DescribedChat { chat, peer, head })
        });
        Ok(described.collect())
    }
}
