//! How people come to a chat and go from it, inside the transaction of a use case.

use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::App;
use super::join_requests::answerers;
use crate::domain::{ADMINS_MAX, CHATS_MAX, Cause, Chat, GROUP_MEMBERS_MAX, Kind, Member, Right, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store;

/// A locked chat, and what the caller is in it.
pub(super) struct Acting {
    pub chat: Chat,
    pub caller: Member,
}

/// What became of people who came to a chat.
pub(super) struct Arrival {
    pub members: Vec<Member>,
    /// Whose own logs are to be told of it.
    pub told: Vec<UserId>,
}

/// Locks a chat for a change that needs a right. For who is not a member it does not exist.
pub(super) async fn lock_for(
    tx: &mut Connection,
    caller: UserId,
    chat_id: ChatId,
    right: Right,
) -> Result<Acting, Error> {
    let acting = lock_as_member(tx, caller, chat_id).await?;
    if acting.chat.standing(acting.caller.role).allows(right) { Ok(acting) } else { Err(Error::RightMissing) }
}

/// Locks a chat for a change that any member may make.
pub(super) async fn lock_as_member(tx: &mut Connection, caller: UserId, chat_id: ChatId) -> Result<Acting, Error> {
    let chat = store::lock_chat(tx, chat_id).await?.ok_or(Error::ChatNotFound)?;
    let caller = store::member_of(tx, chat_id, caller).await?.ok_or(Error::ChatNotFound)?;
    Ok(Acting { chat, caller })
}

/// Refuses one admin more in a locked chat that has as many as may be.
pub(super) async fn check_room_for_admin(tx: &mut Connection, chat_id: ChatId) -> Result<(), Error> {
    let owner_and_admins = store::admins_of(tx, chat_id, ADMINS_MAX + 1).await?;
    let has_room = u32::try_from(owner_and_admins.len()).is_ok_and(|people| people <= ADMINS_MAX);
    if has_room { Ok(()) } else { Err(Error::TooManyAdmins) }
}

impl App {
    /// The chat, for who is a member and has a right in it. For others it does not exist.
    pub(super) async fn check_right(&self, caller: UserId, chat_id: ChatId, right: Right) -> Result<Chat, Error> {
        let mut conn = self.pool.get().await?;
        let (chat, standing) = store::standing_of(&mut conn, chat_id, caller).await?.ok_or(Error::ChatNotFound)?;
        if standing.allows(right) { Ok(chat) } else { Err(Error::RightMissing) }
    }

    /// Lets one in who may come of their own accord, or by who said yes to them. Returns whose own logs are told.
    pub(super) async fn let_one_in(
        &self,
        tx: &mut Connection,
        chat: &mut Chat,
        joiner: UserId,
        actor: UserId,
    ) -> Result<Vec<UserId>, Error> {
        if chat.kind == Kind::Group && chat.member_count >= GROUP_MEMBERS_MAX {
            return Err(Error::ChatFull);
        }
        if !store::crowded_among(tx, &[joiner], CHATS_MAX).await?.is_empty() {
            return Err(Error::TooManyChats);
        }
        Ok(self.let_in(tx, chat, &[joiner], actor).await?.told)
    }

    /// Lets people into a locked group or channel who are not in it; at most 200. Takes no right away, so the version of the
    /// member list stays; but for the join that makes a group so large that its readers are not told of each other.
    pub(super) async fn let_in(
        &self,
        tx: &mut Connection,
        chat: &mut Chat,
        joiners: &[UserId],
        actor: UserId,
    ) -> Result<Arrival, Error> {
        let joined_at = self.clock.now();
        let member = |user_id: &UserId| Member { user_id: *user_id, role: Role::Member, joined_at };
        let members: Vec<_> = joiners.iter().map(member).collect();
        store::insert_members(tx, chat.id, &members, Some(actor)).await?;
        let waited = store::delete_join_requests(tx, chat.id, joiners).await?;
        let was_small = chat.member_count <= RECEIPT_MEMBERS_MAX;
        chat.member_count = chat.member_count.saturating_add(u32::try_from(joiners.len()).unwrap_or(0));
        if chat.kind == Kind::Group && was_small && chat.member_count > RECEIPT_MEMBERS_MAX {
            chat.version = chat.version.next();
        }
        store::save_chat(tx, chat).await?;
        match chat.kind {
            Kind::Channel => self.raise(tx, chat, joiners.to_vec(), Vec::new()).await?,
            _ => self.append(tx, chat, Some(actor), outgoing::members_added(chat, &members)).await?,
        }
        let told = self.tell_own_logs(tx, chat, joiners, &waited, actor).await?;
        count_moves(chat.kind, "joined", joiners.len());
        Ok(Arrival { members, told })
    }

    /// Tells in own logs what a locked chat's does not: who came to a channel that they did, and those who answer join
    /// requests that some need no answer. Returns whose logs have it.
    async fn tell_own_logs(
        &self,
        tx: &mut Connection,
        chat: &Chat,
        joiners: &[UserId],
        waited: &[UserId],
        actor: UserId,
    ) -> Result<Vec<UserId>, Error> {
        let subscribers: &[UserId] = if chat.kind == Kind::Channel { joiners } else { &[] };
        let answerers = if waited.is_empty() { Vec::new() } else { answerers(tx, chat.id).await? };
        // All in one order: locks that are taken in two steps may wait for each other.
        let told = self.open_saved(tx, &[subscribers, answerers.as_slice()].concat()).await?;
        let (subscribers, answerers): (Vec<UserId>, Vec<UserId>) =
            told.iter().copied().partition(|user_id| subscribers.contains(user_id));
        self.append_privately(tx, &subscribers, &outgoing::chat_joined(chat.id)).await?;
        self.tell_ended(tx, chat.id, &answerers, Some(actor), waited).await?;
        Ok(told)
    }

    /// Puts somebody out of a locked group or channel, who is not its owner. The actor of who leaves is they themselves;
    /// none when the account is gone.
    pub(super) async fn put_out(
        &self,
        tx: &mut Connection,
        chat: &mut Chat,
        leaver: Member,
        actor: Option<UserId>,
        cause: Cause,
    ) -> Result<(), Error> {
        if chat.kind == Kind::Channel && leaver.role > Role::Member {
            // What a channel's log tells of its admins, it tells to the end.
            let unmade = Member { role: Role::Member, ..leaver };
            self.append(tx, chat, actor, outgoing::roles_changed(&[unmade])).await?;
        }
        store::remove_member(tx, chat.id, leaver.user_id).await?;
        chat.member_count = chat.member_count.saturating_sub(1);
        chat.version = chat.version.next();
        store::save_chat(tx, chat).await?;
        if chat.kind == Kind::Channel {
            self.raise(tx, chat, Vec::new(), vec![leaver.user_id]).await?;
        } else {
            self.append(tx, chat, actor, outgoing::member_removed(chat, leaver.user_id, cause)).await?;
        }
        if cause != Cause::AccountDeleted {
            self.forget_membership(tx, chat.id, &[leaver.user_id], cause).await?;
        }
        count_moves(chat.kind, "left", 1);
        Ok(())
    }

    /// Forgets what people have set for a chat that they are no longer in, and tells their own logs; at most 200.
    pub(super) async fn forget_membership(
        &self,
        tx: &mut Connection,
        chat_id: ChatId,
        leavers: &[UserId],
        cause: Cause,
    ) -> Result<(), Error> {
        // First of all the locks: who changes folders or settings has them, too.
        let opened = self.open_saved(tx, leavers).await?;
        store::forget_settings(tx, chat_id, leavers).await?;
        store::delete_draft(tx, chat_id, leavers).await?;
        self.append_privately(tx, &opened, &outgoing::chat_left(chat_id, cause)).await?;
        for user_id in store::take_from_folders(tx, chat_id, &opened).await? {
            let folders = store::folders_of(tx, user_id).await?;
            self.append_privately(tx, &[user_id], &outgoing::folders_changed(&folders)).await?;
        }
        Ok(())
    }

    /// Ends a locked group or channel for everybody. Its people are put out by [`Self::empty_chat`].
    pub(super) async fn end_chat(
        &self,
        tx: &mut Connection,
        chat: &mut Chat,
        actor: Option<UserId>,
    ) -> Result<(), Error> {
        chat.version = chat.version.next();
        store::mark_deleted(tx, chat, self.clock.now()).await?;
        store::forget_chat(tx, chat.id).await?;
        self.append(tx, chat, actor, outgoing::chat_deleted()).await?;
        metrics::counter!("godwit_chat_deleted_total", "kind" => chat.kind.as_str()).increment(1);
        Ok(())
    }
}

fn count_moves(kind: Kind, direction: &'static str, people: usize) {
    let people = u64::try_from(people).unwrap_or(0);
    metrics::counter!("godwit_chat_members_moved_total", "kind" => kind.as_str(), "direction" => direction)
        .increment(people);
}
