use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::Access;

use super::super::App;
use super::ChatView;
use crate::domain::{DirectPair, Kind, MembershipVersion};
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
        let created = outgoing::personal_chat_created(Kind::Direct, &pair.members());
        let first_update = self.pending(id, MembershipVersion::FIRST, Some(caller), created);
        let new = NewDirectChat { id, pair, created_at: self.clock.now(), first_update };
        if store::create_direct_chat(&mut conn, &new).await? {
            metrics::counter!("godwit_chat_created_total", "kind" => Kind::Direct.as_str()).increment(1);
            return Ok(id);
        }
        store::direct_chat_id(&mut conn, pair).await?.ok_or(Error::Damaged("a direct chat is gone"))
    }
}
