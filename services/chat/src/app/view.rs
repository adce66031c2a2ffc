use godwit_contract::message::v1::ChatHead;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;

use super::App;
use crate::domain::{Chat, ChatOfMember};
use crate::error::Error;

/// A chat with what other services know of it.
#[derive(Clone, Debug)]
pub struct ChatView {
    /// The chat.
    pub chat: Chat,
    /// The other party of a direct chat as the caller may see them; only the mark of it when the account is gone.
    pub peer: Option<pb::User>,
    /// Where its log stands; `None` while it has not begun.
    pub head: Option<ChatHead>,
}

impl App {
    /// The chats with their peers and heads as `caller` may see them, in the same order.
    pub(super) async fn view(&self, caller: UserId, chats: Vec<ChatOfMember>) -> Result<Vec<ChatView>, Error> {
        let peer_ids: Vec<_> = chats.iter().filter_map(|chat| chat.peer_id).collect();
        let chat_ids: Vec<_> = chats.iter().map(|chat| chat.chat.id).collect();
        let (users, heads) = tokio::join!(self.users.get(caller, &peer_ids), self.logs.heads(&chat_ids));
        let (mut users, mut heads) = (users.map_err(Error::Users)?, heads.map_err(Error::Logs)?);
        let views = chats.into_iter().map(|ChatOfMember { chat, peer_id }| {
            let peer = peer_id.map(|id| users.remove(&id).unwrap_or_else(|| gone(id)));
            let head = heads.remove(&chat.id);
            ChatView { chat, peer, head }
        });
        Ok(views.collect())
    }
}

/// Auth keeps a deleted account's id, but a chat outlives also what auth forgot.
fn gone(user_id: UserId) -> pb::User {
    pb::User { id: user_id.to_string(), is_deleted: true, ..pb::User::default() }
}
