use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::super::App;
use super::super::chats::ChatView;
use crate::domain::{Chat, Invite, InviteCode, JOIN_REQUESTS_MAX, JoinRequest};
use crate::error::Error;
use crate::store::{self, Transactional as _};

/// What somebody has become who came by an invite.
#[derive(Clone, Debug)]
pub enum Joining {
    /// A member.
    Joined(Box<ChatView>),
    /// One who waits for an answer.
    Waiting,
}

/// What the transaction has made of them.
struct Asked {
    /// What they are in; `None` while they wait.
    chat_id: Option<ChatId>,
    /// Whose own logs are to be told of it.
    told: Vec<UserId>,
}

impl App {
    /// Lets the caller in by an invite, or lets them ask for it. Who is in, or asks, already, changes nothing and uses
    /// nothing up.
    ///
    /// # Errors
    /// [`Error::InviteNotFound`], also for who is banned; [`Error::ChatFull`], [`Error::TooManyChats`],
    /// [`Error::TooManyJoinRequests`]; [`Error::NotReady`] when they are in but the log does not have it yet: asking again
    /// is right.
    #[tracing::instrument(name = "chat.join_by_invite", skip_all, err(level = "debug"))]
    pub async fn join_by_invite(&self, caller: UserId, code: &InviteCode) -> Result<Joining, Error> {
        let mut conn = self.pool.get().await?;
        let joined = conn.transaction::<_, Error, _>(async |tx| self.join_within(tx, caller, code).await);
        let Asked { chat_id, told } = joined.await?;
        drop(conn);
        let Some(chat_id) = chat_id else {
            self.deliver_privately(&told).await;
            return Ok(Joining::Waiting);
        };
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(Joining::Joined(Box::new(self.get_chat(caller, chat_id).await?)))
    }

    /// All who come by the invites of a chat take turns by the lock of the chat, so an invite is used as often as it says,
    /// however many come at once.
    async fn join_within(&self, tx: &mut Connection, caller: UserId, code: &InviteCode) -> Result<Asked, Error> {
        let invite = store::invite_of(tx, code).await?.ok_or(Error::InviteNotFound)?;
        let mut chat = store::lock_chat(tx, invite.chat_id).await?.ok_or(Error::InviteNotFound)?;
        let invite = store::lock_invite(tx, code).await?.ok_or(Error::InviteNotFound)?;
        if store::member_of(tx, chat.id, caller).await?.is_some() {
            return Ok(Asked { chat_id: Some(chat.id), told: vec![caller] });
        }
        if !store::banned_among(tx, chat.id, &[caller]).await?.is_empty() {
            return Err(Error::InviteNotFound);
        }
        if invite.needs_approval {
            let told = self.ask_within(tx, caller, &chat, &invite).await?;
            return Ok(Asked { chat_id: None, told });
        }
        if !invite.is_valid(self.clock.now()) {
            return Err(Error::InviteNotFound);
        }
        store::use_invite(tx, code).await?;
        let told = self.let_one_in(tx, &mut chat, caller, caller).await?;
        Ok(Asked { chat_id: Some(chat.id), told })
    }

    async fn ask_within(
        &self,
        tx: &mut Connection,
        caller: UserId,
        chat: &Chat,
        invite: &Invite,
    ) -> Result<Vec<UserId>, Error> {
        if store::has_join_request(tx, chat.id, caller).await? {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        if !invite.is_valid(now) {
            return Err(Error::InviteNotFound);
        }
        let waiting_count = store::join_request_count(tx, chat.id, JOIN_REQUESTS_MAX).await?;
        if waiting_count >= JOIN_REQUESTS_MAX {
            return Err(Error::TooManyJoinRequests);
        }
        store::use_invite(tx, &invite.code).await?;
        let request = JoinRequest { user_id: caller, requested_at: now };
        let request = store::add_join_request(tx, chat.id, request, &invite.code).await?;
        self.tell_asked(tx, chat.id, request, waiting_count + 1).await
    }
}
