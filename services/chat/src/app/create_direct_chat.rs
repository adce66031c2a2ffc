use godwit_kernel::{ChatId, EventId, UserId};

use super::{App, ChatView};
use crate::domain::{Chat, ChatOfMember, DirectPair, Kind, MembershipVersion, PendingUpdate};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, NewDirectChat};

impl App {
    /// The direct chat of the caller and another user, made if there is none: the same chat whoever asks, also when
    /// both ask at once. Its log has begun when this returns.
    ///
    /// # Errors
    /// [`Error::WithOneself`]; [`Error::UserNotFound`]; [`Error::NotReady`] when the chat is made but its log could not be
    /// begun yet: asking again returns the same chat.
    #[tracing::instrument(name = "chat.create_direct_chat", skip_all, fields(chat.id), err(level = "debug"))]
    pub async fn create_direct_chat(&self, caller: UserId, peer_id: UserId) -> Result<ChatView, Error> {
        let pair = DirectPair::of(caller, peer_id).ok_or(Error::WithOneself)?;
        let users = self.users.get(&[peer_id]).await.map_err(Error::Users)?;
        let peer = users.into_values().next().ok_or(Error::UserNotFound)?;
        let chat_id = self.make(caller, pair).await?;
        tracing::Span::current().record("chat.id", tracing::field::display(chat_id));
        self.deliver_updates(chat_id).await?;
        let chat = self.visible(caller, chat_id).await?;
        self.view_with(chat, Some(peer)).await
    }

    async fn make(&self, caller: UserId, pair: DirectPair) -> Result<ChatId, Error> {
        let mut conn = self.pool.get().await?;
        if let Some(id) = store::direct_chat_id(&mut conn, pair).await? {
            return Ok(id);
        }
        let id = ChatId::generate(self.clock.as_ref(), self.entropy.as_ref());
        let chat = Chat { id, kind: Kind::Direct, created_at: self.clock.now() };
        let first_update = PendingUpdate {
            event_id: EventId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            chat_id: id,
            payload: outgoing::chat_created(&chat, caller, &pair.members()),
            membership_version: MembershipVersion::FIRST,
        };
        if store::create_direct_chat(&mut conn, &NewDirectChat { chat, pair, first_update }).await? {
            metrics::counter!("godwit_chat_created_total", "kind" => "direct").increment(1);
            return Ok(id);
        }
        store::direct_chat_id(&mut conn, pair).await?.ok_or(Error::Damaged("a direct chat is gone"))
    }

    /// The chat, if the caller is a member. For others it does not exist.
    pub(super) async fn visible(&self, caller: UserId, chat_id: ChatId) -> Result<ChatOfMember, Error> {
        let mut conn = self.pool.get().await?;
        store::chat_of_member(&mut conn, chat_id, caller).await?.ok_or(Error::ChatNotFound)
    }
}
