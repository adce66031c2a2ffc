use std::collections::HashSet;

use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::{CHATS_MAX, GROUP_MEMBERS_MAX, Member, Refusal, Right};
use crate::error::Error;
use crate::store::{self, Transactional as _};

/// What became of people who were to be added.
#[derive(Clone, Debug, Default)]
pub struct AddedMembers {
    /// Who came with this call.
    pub added: Vec<Member>,
    /// Who could not, and why.
    pub refused: Vec<(UserId, Refusal)>,
}

impl App {
    /// Adds people, at most 200, to a group. Who is in it already stays as they are; who may not be added is left out.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`]; [`Error::NotReady`] when they are added but the log does not have
    /// it yet.
    #[tracing::instrument(name = "chat.add_members", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn add_members(
        &self,
        caller: UserId,
        chat_id: ChatId,
        user_ids: &[UserId],
    ) -> Result<AddedMembers, Error> {
        // Before auth is asked: nobody learns of people by way of a chat that is not theirs.
        self.check_right(caller, chat_id, Right::AddMembers).await?;
        let (welcome, unwelcome) = self.sort_out(caller, user_ids).await?;
        let mut conn = self.pool.get().await?;
        let outcome = conn
            .transaction::<_, Error, _>(async |tx| self.add_within(tx, caller, chat_id, &welcome, &unwelcome).await);
        let (outcome, told) = outcome.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(outcome)
    }

    /// Returns also whose own logs are told.
    async fn add_within(
        &self,
        tx: &mut Connection,
        caller: UserId,
        chat_id: ChatId,
        welcome: &[UserId],
        unwelcome: &[(UserId, Refusal)],
    ) -> Result<(AddedMembers, Vec<UserId>), Error> {
        let mut chat = lock_for(tx, caller, chat_id, Right::AddMembers).await?.chat;
        let everybody: Vec<UserId> = welcome.iter().copied().chain(unwelcome.iter().map(|(id, _)| *id)).collect();
        let members: HashSet<_> = store::members_among(tx, chat_id, &everybody).await?.into_iter().collect();
        let banned: HashSet<_> = store::banned_among(tx, chat_id, welcome).await?.into_iter().collect();
        let crowded: HashSet<_> = store::crowded_among(tx, welcome, CHATS_MAX).await?.into_iter().collect();
        let mut refused: Vec<_> = unwelcome.iter().copied().filter(|(id, _)| !members.contains(id)).collect();
        let mut joiners = Vec::new();
        let mut places = GROUP_MEMBERS_MAX.saturating_sub(chat.member_count);
        for user_id in welcome.iter().filter(|user_id| !members.contains(user_id)) {
            let refusal = match user_id {
                id if banned.contains(id) => Some(Refusal::Banned),
                id if crowded.contains(id) => Some(Refusal::TooManyChats),
                _ if places == 0 => Some(Refusal::ChatFull),
                _ => None,
            };
            match refusal {
                Some(refusal) => refused.push((*user_id, refusal)),
                None => {
                    places -= 1;
                    joiners.push(*user_id);
                }
            }
        }
        if joiners.is_empty() {
            return Ok((AddedMembers { added: Vec::new(), refused }, Vec::new()));
        }
        let arrival = self.let_in(tx, &mut chat, &joiners, caller).await?;
        Ok((AddedMembers { added: arrival.members, refused }, arrival.told))
    }
}
