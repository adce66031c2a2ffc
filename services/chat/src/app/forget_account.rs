use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::App;
use super::changes::saved_chat_of;
use crate::domain::{Cause, Member, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

/// Chats that are read at once.
const PAGE: u32 = 200;

impl App {
    /// Takes somebody whose account is gone for ever out of all groups and channels, and forgets what was theirs alone.
    /// Who they owned a chat with owns it then: the admin who has been in it longest, else the member; with nobody else in
    /// it, it ends. Where they wait to be let in, they do no longer. Direct chats stay for the others. Done again, it does
    /// nothing more.
    ///
    /// # Errors
    /// When the database does. What the logs do not take now is delivered later.
    #[tracing::instrument(name = "chat.forget_account", skip_all, err(level = "debug"))]
    pub async fn forget_account(&self, user_id: UserId) -> Result<(), Error> {
        let mut above = None;
        loop {
            let mut conn = self.pool.get().await?;
            let chat_ids = store::chat_ids_of(&mut conn, user_id, above, PAGE).await?;
            drop(conn);
            let Some(last) = chat_ids.last().copied() else { break };
            above = Some(last);
            for chat_id in chat_ids {
                self.take_out(user_id, chat_id).await?;
            }
        }
        self.take_back_requests(user_id).await?;
        self.forget_saved(user_id).await
    }

    async fn take_back_requests(&self, user_id: UserId) -> Result<(), Error> {
        let mut above = None;
        loop {
            let mut conn = self.pool.get().await?;
            let chat_ids = store::chat_ids_asked_by(&mut conn, user_id, above, PAGE).await?;
            drop(conn);
            let Some(last) = chat_ids.last().copied() else { return Ok(()) };
            above = Some(last);
            for chat_id in chat_ids {
                let mut conn = self.pool.get().await?;
                let ended = conn.transaction::<_, Error, _>(async |tx| {
                    let Some(chat) = store::lock_chat(tx, chat_id).await? else { return Ok(None) };
                    self.end_request(tx, chat.id, user_id, None).await
                });
                let told = ended.await?.unwrap_or_default();
                drop(conn);
                self.deliver_privately(&told).await;
            }
        }
    }

    async fn take_out(&self, user_id: UserId, chat_id: ChatId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let outcome = conn.transaction::<_, Error, _>(async |tx| self.take_out_within(tx, user_id, chat_id).await);
        let outcome = outcome.await?;
        drop(conn);
        match outcome {
            Outcome::Nothing => Ok(()),
            Outcome::Left { told } => {
                delivered_or_kept(self.deliver_updates(chat_id).await)?;
                self.deliver_privately(&told).await;
                Ok(())
            }
            Outcome::Ended => {
                delivered_or_kept(self.deliver_updates(chat_id).await)?;
                delivered_or_kept(self.empty_chat(chat_id).await)
            }
        }
    }

    async fn take_out_within(&self, tx: &mut Connection, user_id: UserId, chat_id: ChatId) -> Result<Outcome, Error> {
        let Some(mut chat) = store::lock_chat(tx, chat_id).await? else {
            return Ok(Outcome::Nothing);
        };
        let Some(mut leaver) = store::member_of(tx, chat_id, user_id).await? else {
            return Ok(Outcome::Nothing);
        };
        if !chat.kind.has_members_that_come_and_go() {
            return Ok(Outcome::Nothing);
        }
        let mut told = Vec::new();
        if leaver.role == Role::Owner {
            let Some(successor) = store::successor_of(tx, chat_id).await? else {
                self.end_chat(tx, &mut chat, None).await?;
                return Ok(Outcome::Ended);
            };
            leaver = Member { role: Role::Admin, ..leaver };
            store::set_role(tx, chat_id, leaver.user_id, leaver.role).await?;
            store::set_role(tx, chat_id, successor.user_id, Role::Owner).await?;
            chat.version = chat.version.next();
            let owner = Member { role: Role::Owner, ..successor };
            self.append(tx, &chat, None, outgoing::roles_changed(&[owner, leaver])).await?;
            told = self.tell_new_role(tx, &chat, successor, Role::Owner, None).await?;
        }
        self.put_out(tx, &mut chat, leaver, None, Cause::AccountDeleted).await?;
        Ok(Outcome::Left { told })
    }

    async fn forget_saved(&self, user_id: UserId) -> Result<(), Error> {
        let saved_id = saved_chat_of(user_id);
        let mut conn = self.pool.get().await?;
        let ended = conn.transaction::<_, Error, _>(async |tx| {
            let saved = store::lock_chat(tx, saved_id).await?;
            store::forget_person(tx, user_id).await?;
            let Some(mut saved) = saved else { return Ok(false) };
            store::remove_member(tx, saved_id, user_id).await?;
            saved.member_count = 0;
            store::save_chat(tx, &saved).await?;
            self.end_chat(tx, &mut saved, None).await?;
            Ok(true)
        });
        let ended = ended.await?;
        drop(conn);
        if ended { delivered_or_kept(self.deliver_updates(saved_id).await) } else { Ok(()) }
    }
}

enum Outcome {
    Nothing,
    /// Whose own logs are told.
    Left {
        told: Vec<UserId>,
    },
    Ended,
}

/// The worker delivers what was not delivered now.
fn delivered_or_kept(delivered: Result<(), Error>) -> Result<(), Error> {
    match delivered {
        Err(Error::NotReady(_) | Error::UpdateRefused(_)) => Ok(()),
        other => other,
    }
}
