//! How a use case keeps, inside its transaction, what it changed, for the logs that must have it.

use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::Connection;

use super::App;
use crate::domain::{Chat, Kind, MembershipVersion, PendingUpdate};
use crate::error::Error;
use crate::events::outgoing;
use crate::store;

impl App {
    /// Keeps an update of a locked chat until its log has it.
    pub(super) async fn append(
        &self,
        tx: &mut Connection,
        chat: &Chat,
        actor: Option<UserId>,
        change: Change,
    ) -> Result<(), Error> {
        let pending = self.pending(chat.id, chat.version, actor, change);
        Ok(store::insert_pending_update(tx, &pending, self.clock.now()).await?)
    }

    /// Keeps, for a locked chat, that some came or went without an update that says so, until its log knows. When somebody
    /// goes, the version is one that the log has not seen, so that a raise that comes again is known by it.
    pub(super) async fn raise(
        &self,
        tx: &mut Connection,
        chat: &Chat,
        joined: Vec<UserId>,
        left: Vec<UserId>,
    ) -> Result<(), Error> {
        let pending = PendingUpdate {
            event_id: EventId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            chat_id: chat.id,
            payload: None,
            membership_version: chat.version,
            joined,
            left,
        };
        Ok(store::insert_pending_update(tx, &pending, self.clock.now()).await?)
    }

    /// Makes the Saved Messages of those who have none and locks those of all, whose logs then take what
    /// [`Self::append_privately`] keeps. To be called once in a transaction, after the lock of another chat. Those that
    /// are gone with their account are left out of the answer.
    pub(super) async fn open_saved(&self, tx: &mut Connection, user_ids: &[UserId]) -> Result<Vec<UserId>, Error> {
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let made = store::make_saved_chats(tx, user_ids, now).await?;
        let created = |user_id: &UserId| {
            let change = outgoing::personal_chat_created(Kind::Saved, &[*user_id]);
            self.pending(saved_chat_of(*user_id), MembershipVersion::FIRST, Some(*user_id), change)
        };
        let created: Vec<_> = made.iter().map(created).collect();
        if !created.is_empty() {
            metrics::counter!("godwit_chat_created_total", "kind" => Kind::Saved.as_str())
                .increment(u64::try_from(created.len()).unwrap_or(0));
            store::insert_pending_updates(tx, &created, now).await?;
        }
        Ok(store::lock_saved_chats(tx, user_ids).await?)
    }

    /// Keeps the same private change of some people, whose Saved Messages are locked, until their logs have it.
    pub(super) async fn append_privately(
        &self,
        tx: &mut Connection,
        user_ids: &[UserId],
        change: &Change,
    ) -> Result<(), Error> {
        let of = |user_id: &UserId| {
            self.pending(saved_chat_of(*user_id), MembershipVersion::FIRST, Some(*user_id), change.clone())
        };
        let pending: Vec<_> = user_ids.iter().map(of).collect();
        self.keep(tx, &pending).await
    }

    /// The same of what another has done, or the system.
    pub(super) async fn append_privately_by(
        &self,
        tx: &mut Connection,
        actor: Option<UserId>,
        user_ids: &[UserId],
        change: &Change,
    ) -> Result<(), Error> {
        let of =
            |user_id: &UserId| self.pending(saved_chat_of(*user_id), MembershipVersion::FIRST, actor, change.clone());
        let pending: Vec<_> = user_ids.iter().map(of).collect();
        self.keep(tx, &pending).await
    }

    async fn keep(&self, tx: &mut Connection, pending: &[PendingUpdate]) -> Result<(), Error> {
        if pending.is_empty() {
            return Ok(());
        }
        Ok(store::insert_pending_updates(tx, pending, self.clock.now()).await?)
    }

    pub(super) fn pending(
        &self,
        chat_id: ChatId,
        membership_version: MembershipVersion,
        actor: Option<UserId>,
        change: Change,
    ) -> PendingUpdate {
        PendingUpdate {
            event_id: EventId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            chat_id,
            payload: Some(outgoing::update(chat_id, actor, change)),
            membership_version,
            joined: Vec::new(),
            left: Vec::new(),
        }
    }
}

/// The Saved Messages of a person have the person's id.
pub(super) const fn saved_chat_of(user_id: UserId) -> ChatId {
    ChatId::from_uuid(user_id.as_uuid())
}
