use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_rpc::Access;

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
    /// [`Error::WithOneself`]; for a chat that is not there yet [`Error::UserNotFound`], [`Error::Blocked`] and
    /// [`Error::Private`]; [`Error::NotReady`] when the chat is made but its log could not be begun yet: asking again
    /// returns the same chat.
    #[tracing::instrument(name = "chat.create_direct_chat", skip_all, fields(chat.id), err(level = "debug"))]
    pub async fn create_direct_chat(&self, caller: UserId, peer_id: UserId) -> Result<ChatView, Error> {
        let pair = DirectPair::of(caller, peer_id).ok_or(Error::WithOneself)?;
        let chat_id = match self.find(pair).await? {
            Some(chat_id) => chat_id,
            None => {
                self.check_access(caller, peer_id).await?;
                self.make(caller, pair).await?
            }
        };
        tracing::Span::current().record("chat.id", tracing::field::display(chat_id));
        self.deliver_updates(chat_id).await?;
        self.get_chat(caller, chat_id).await
    }

    async fn find(&self, pair: DirectPair) -> Result<Option<ChatId>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::direct_chat_id(&mut conn, pair).await?)
    }

    /// A block that is made after this finds the chat, or the chat finds it: see `store::create_direct_chat`.
    async fn check_access(&self, caller: UserId, peer_id: UserId) -> Result<(), Error> {
        match self.access.check(AccessAction::Message, caller, peer_id).await.map_err(Error::Users)? {
            Access::Allowed => Ok(()),
            Access::UserNotFound => Err(Error::UserNotFound),
            Access::Blocked => Err(Error::Blocked),
            Access::Private => Err(Error::Private),
        }
    }

    async fn make(&self, caller: UserId, pair: DirectPair) -> Result<ChatId, Error> {
        let mut conn = self.pool.get().await?;
        let id = ChatId::generate(self.clock.as_ref(), self.entropy.as_ref());
        let chat = Chat { id, kind: Kind::Direct, created_at: self.clock.now() };
        let first_update = PendingUpdate {
            event_id: EventId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            chat_id: id,
            payload: Some(outgoing::chat_created(&chat, caller, &pair.members())),
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
