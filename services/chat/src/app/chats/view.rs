use std::collections::HashMap;

use godwit_contract::message::v1::ChatHead;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::clients::Receipts;
use crate::domain::{ChatOfMember, Kind};
use crate::error::Error;
use crate::store;

/// A chat with what other services know of it.
#[derive(Clone, Debug)]
pub struct ChatView {
    /// The chat as its member sees it, with the settings that are in force.
    pub chat: ChatOfMember,
    /// The other party of a direct chat as the caller may see them; only the mark of it when the account is gone.
    pub peer: Option<pb::User>,
    /// Where its log stands; `None` while it has not begun.
    pub head: Option<ChatHead>,
}

impl App {
    /// The chats with their peers and heads as `caller` may see them, in the same order; without those that were left
    /// meanwhile. They are read again behind their heads: a change is in the row before it is in the log, so what is shown
    /// lacks nothing up to the seq that is shown with it. A group or channel whose log does not know the caller yet is left out:
    /// the update by which they come is on its way, and tells them of it.
    pub(super) async fn view(
        &self,
        caller: UserId,
        chats: Vec<ChatOfMember>,
        receipts: Receipts,
    ) -> Result<Vec<ChatView>, Error> {
        let peer_ids: Vec<_> = chats.iter().filter_map(|chat| chat.peer_id).collect();
        let chat_ids: Vec<_> = chats.iter().map(|chat| chat.chat.id).collect();
        let heads_and_rows = async {
            let heads = self.logs.heads(caller, &chat_ids, receipts).await.map_err(Error::Logs)?;
            let mut conn = self.pool.get().await?;
            Ok::<_, Error>((heads, store::chats_of_member(&mut conn, caller, &chat_ids).await?))
        };
        let (users, heads_and_rows) = tokio::join!(self.users.get(caller, &peer_ids), heads_and_rows);
        let (mut users, (mut heads, chats)) = (users.map_err(Error::Users)?, heads_and_rows?);
        let mut chats: HashMap<ChatId, ChatOfMember> = chats.into_iter().map(|chat| (chat.chat.id, chat)).collect();
        let now = self.clock.now();
        let views = chat_ids.iter().filter_map(|chat_id| chats.remove(chat_id)).filter_map(|chat| {
            let head = heads.remove(&chat.chat.id);
            let may_be_unknown = matches!(chat.chat.kind, Kind::Direct | Kind::Saved);
            if !may_be_unknown && head.as_ref().is_some_and(|head| head.is_viewer_unknown) {
                return None;
            }
            let peer = chat.peer_id.map(|id| users.remove(&id).unwrap_or_else(|| gone(id)));
            Some(ChatView { chat: ChatOfMember { settings: chat.settings.at(now), ..chat }, peer, head })
        });
        Ok(views.collect())
    }
}

/// Auth keeps a deleted account's id, but a chat outlives also what auth forgot.
pub(in super::super) fn gone(user_id: UserId) -> pb::User {
    pb::User { id: user_id.to_string(), is_deleted: true, ..pb::User::default() }
}
