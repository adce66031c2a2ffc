//! How those who answer the join requests of a chat learn of them, inside the transaction of a use case: in their own logs,
//! because the chat's is read by all members. With its owner a chat has 51 of them at most.

use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::App;
use crate::domain::{ADMINS_MAX, Chat, JOIN_REQUESTS_MAX, JoinRequest, Member, Right, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store;

/// Who answers the join requests of a locked chat: its owner and its admins.
pub(super) async fn answerers(tx: &mut Connection, chat_id: ChatId) -> Result<Vec<UserId>, Error> {
    Ok(store::admins_of(tx, chat_id, ADMINS_MAX + 1).await?)
}

impl App {
    /// Tells those who answer that somebody waits to be let into a locked chat, one of so many; returns whose logs have it.
    pub(super) async fn tell_asked(
        &self,
        tx: &mut Connection,
        chat_id: ChatId,
        request: JoinRequest,
        waiting_count: u32,
    ) -> Result<Vec<UserId>, Error> {
        let answerers = answerers(tx, chat_id).await?;
        let told = self.open_saved(tx, &answerers).await?;
        let change = outgoing::join_requested(chat_id, request, waiting_count);
        self.append_privately_by(tx, Some(request.user_id), &told, &change).await?;
        Ok(told)
    }

    /// Ends the request of somebody who is not let into a locked chat, and tells those who answer; returns whose logs have
    /// it. `None` when nobody of this id waits.
    pub(super) async fn end_request(
        &self,
        tx: &mut Connection,
        chat_id: ChatId,
        user_id: UserId,
        actor: Option<UserId>,
    ) -> Result<Option<Vec<UserId>>, Error> {
        if !store::reject_join_request(tx, chat_id, user_id).await? {
            return Ok(None);
        }
        let answerers = answerers(tx, chat_id).await?;
        let told = self.open_saved(tx, &answerers).await?;
        self.tell_ended(tx, chat_id, &told, actor, &[user_id]).await?;
        Ok(Some(told))
    }

    /// Tells those who answer, whose Saved Messages are locked, that these wait for a locked chat no longer.
    pub(super) async fn tell_ended(
        &self,
        tx: &mut Connection,
        chat_id: ChatId,
        answerers: &[UserId],
        actor: Option<UserId>,
        ended: &[UserId],
    ) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let waiting_count = store::join_request_count(tx, chat_id, JOIN_REQUESTS_MAX).await?;
        let change = outgoing::join_requests_ended(chat_id, ended, waiting_count);
        self.append_privately_by(tx, actor, answerers, &change).await
    }

    /// Tells who has another role in a locked chat how many wait, when they answer from now on, and none, when they do no
    /// longer; returns whose logs have it. That nobody waits, they know.
    pub(super) async fn tell_new_role(
        &self,
        tx: &mut Connection,
        chat: &Chat,
        before: Member,
        role: Role,
        actor: Option<UserId>,
    ) -> Result<Vec<UserId>, Error> {
        let answers = |role: Role| chat.standing(role).allows(Right::Invite);
        if answers(before.role) == answers(role) {
            return Ok(Vec::new());
        }
        let waiting_count = store::join_request_count(tx, chat.id, JOIN_REQUESTS_MAX).await?;
        if waiting_count == 0 {
            return Ok(Vec::new());
        }
        let told = self.open_saved(tx, &[before.user_id]).await?;
        let change = outgoing::join_requests_counted(chat.id, if answers(role) { waiting_count } else { 0 });
        self.append_privately_by(tx, actor, &told, &change).await?;
        Ok(told)
    }
}
