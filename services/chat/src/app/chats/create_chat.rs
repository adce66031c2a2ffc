use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;
use godwit_rpc::Access;

use super::super::App;
use super::ChatView;
use crate::domain::{CHATS_MAX, Chat, Handle, Info, Kind, Member, MembershipVersion, Refusal, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, HANDLE_CONSTRAINT, Transactional as _};

/// A group or channel to make.
#[derive(Clone, Debug)]
pub struct ChatToMake {
    /// Which of the two.
    pub kind: Kind,
    /// What it says of itself.
    pub info: Info,
    /// Who is to be in it besides its owner; at most 199, and none of a channel.
    pub member_ids: Vec<UserId>,
    /// The creator's name for it.
    pub client_chat_id: Option<String>,
}

/// A group or channel that was made, now or before.
#[derive(Clone, Debug)]
pub struct MadeChat {
    /// The chat.
    pub chat: ChatView,
    /// Who could not be added, and why.
    pub refused: Vec<(UserId, Refusal)>,
}

impl App {
    /// Makes a group or channel of the caller; the one that they made before under the same client id, if there is one.
    /// Who may not be added is left out. Its log has begun when this returns.
    ///
    /// # Errors
    /// [`Error::HandleReserved`], [`Error::HandleTaken`], [`Error::MediaNotFound`], [`Error::MediaNotAnImage`],
    /// [`Error::ClientChatIdReused`], [`Error::TooManyChats`]; [`Error::NotReady`] when it is made but its log could not be
    /// begun yet.
    #[tracing::instrument(name = "chat.create_chat", skip_all, fields(chat.id), err(level = "debug"))]
    pub async fn create_chat(&self, caller: UserId, wish: ChatToMake) -> Result<MadeChat, Error> {
        if wish.info.handle.as_ref().is_some_and(Handle::is_reserved) {
            return Err(Error::HandleReserved);
        }
        if let Some(avatar_id) = wish.info.avatar_id {
            self.check_avatar(caller, avatar_id).await?;
        }
        let (welcome, mut refused) = self.sort_out(caller, &wish.member_ids).await?;
        let mut conn = self.pool.get().await?;
        let made = conn.transaction::<_, Error, _>(async |tx| self.make_chat(tx, caller, &wish, &welcome).await);
        let made = made.await.map_err(handle_taken)?;
        drop(conn);
        tracing::Span::current().record("chat.id", tracing::field::display(made.chat_id));
        refused.extend(made.crowded.into_iter().map(|user_id| (user_id, Refusal::TooManyChats)));
        self.deliver_updates(made.chat_id).await?;
        Ok(MadeChat { chat: self.get_chat(caller, made.chat_id).await?, refused })
    }

    /// Whom the caller may add, each once, and who refuses.
    pub(in super::super) async fn sort_out(
        &self,
        caller: UserId,
        user_ids: &[UserId],
    ) -> Result<(Vec<UserId>, Vec<(UserId, Refusal)>), Error> {
        let mut others: Vec<UserId> = user_ids.iter().copied().filter(|user_id| *user_id != caller).collect();
        others.sort_unstable();
        others.dedup();
        let pairs: Vec<_> = others.iter().map(|user_id| (caller, *user_id)).collect();
        let answers = self.access.check_all(AccessAction::Message, &pairs).await.map_err(Error::Users)?;
        let (mut welcome, mut refused) = (Vec::new(), Vec::new());
        for (user_id, access) in others.into_iter().zip(answers) {
            match access {
                Access::Allowed => welcome.push(user_id),
                Access::UserNotFound => refused.push((user_id, Refusal::UserNotFound)),
                Access::Blocked => refused.push((user_id, Refusal::Blocked)),
                Access::Private => refused.push((user_id, Refusal::Private)),
            }
        }
        Ok((welcome, refused))
    }

    async fn make_chat(
        &self,
        tx: &mut Connection,
        caller: UserId,
        wish: &ChatToMake,
        welcome: &[UserId],
    ) -> Result<Made, Error> {
        if let Some(made) = made_before(tx, caller, wish).await? {
            return Ok(made);
        }
        let mut everybody = welcome.to_vec();
        everybody.push(caller);
        let crowded = store::crowded_among(tx, &everybody, CHATS_MAX).await?;
        if crowded.contains(&caller) {
            return Err(Error::TooManyChats);
        }
        everybody.retain(|user_id| !crowded.contains(user_id));
        let chat = Chat {
            id: ChatId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            kind: wish.kind,
            created_at: self.clock.now(),
            info: wish.info.clone(),
            member_count: u32::try_from(everybody.len()).unwrap_or(u32::MAX),
            version: MembershipVersion::FIRST,
        };
        if !store::insert_chat(tx, &chat, caller, wish.client_chat_id.as_deref()).await? {
            // The same call made it at the same moment.
            return made_before(tx, caller, wish).await?.ok_or(Error::Damaged("a chat that was just made is gone"));
        }
        let role = |user_id: UserId| if user_id == caller { Role::Owner } else { Role::Member };
        let member = |user_id: &UserId| Member { user_id: *user_id, role: role(*user_id), joined_at: chat.created_at };
        let members: Vec<_> = everybody.iter().map(member).collect();
        store::insert_members(tx, chat.id, &members, Some(caller)).await?;
        self.append(tx, &chat, Some(caller), outgoing::chat_created(&chat, &everybody)).await?;
        metrics::counter!("godwit_chat_created_total", "kind" => chat.kind.as_str()).increment(1);
        Ok(Made { chat_id: chat.id, crowded })
    }
}

struct Made {
    chat_id: ChatId,
    crowded: Vec<UserId>,
}

async fn made_before(tx: &mut Connection, caller: UserId, wish: &ChatToMake) -> Result<Option<Made>, Error> {
    let Some(client_chat_id) = &wish.client_chat_id else {
        return Ok(None);
    };
    match store::chat_of_client_id(tx, caller, client_chat_id).await? {
        Some((chat_id, kind)) if kind == wish.kind => Ok(Some(Made { chat_id, crowded: Vec::new() })),
        Some(_) => Err(Error::ClientChatIdReused),
        None => Ok(None),
    }
}

/// Whoever comes second with a handle learns it from the database.
pub(super) fn handle_taken(error: Error) -> Error {
    match &error {
        Error::Database(database) if database.is_unique_violation() == Some(HANDLE_CONSTRAINT) => Error::HandleTaken,
        _ => error,
    }
}
