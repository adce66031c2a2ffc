use std::collections::HashMap;

use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::{IdCursor, Kind, Member, Right};
use crate::error::Error;
use crate::store;

/// Some of a list of people.
#[derive(Clone, Debug)]
pub struct UsersPage<T> {
    /// In id order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<IdCursor>,
}

/// A member with what the caller may see of the person.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The member.
    pub member: Member,
    /// The person.
    pub user: pb::User,
}

impl App {
    /// A page of the members of a chat, in id order.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.list_chat_members", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_chat_members(
        &self,
        caller: UserId,
        chat_id: ChatId,
        cursor: Option<IdCursor>,
        limit: u32,
    ) -> Result<UsersPage<MemberView>, Error> {
        self.check_right(caller, chat_id, Right::ListMembers).await?;
        let mut conn = self.pool.get().await?;
        let above = cursor.map(|cursor| UserId::from_uuid(cursor.after));
        let members = store::members_page(&mut conn, chat_id, above, limit + 1).await?;
        drop(conn);
        let (members, next_cursor) = page(members, limit, |member| member.user_id);
        let ids: Vec<_> = members.iter().map(|member| member.user_id).collect();
        let mut users = self.people(caller, &ids).await?;
        let view = |member: Member| MemberView { user: take(&mut users, member.user_id), member };
        Ok(UsersPage { items: members.into_iter().map(view).collect(), next_cursor })
    }

    /// The same of a channel.
    ///
    /// # Errors
    /// Likewise, and [`Error::WrongChatKind`].
    pub async fn list_subscribers(
        &self,
        caller: UserId,
        chat_id: ChatId,
        cursor: Option<IdCursor>,
        limit: u32,
    ) -> Result<UsersPage<MemberView>, Error> {
        if self.check_right(caller, chat_id, Right::ListMembers).await?.kind != Kind::Channel {
            return Err(Error::WrongChatKind);
        }
        self.list_chat_members(caller, chat_id, cursor, limit).await
    }

    /// People as the caller may see them.
    pub(in super::super) async fn people(
        &self,
        caller: UserId,
        user_ids: &[UserId],
    ) -> Result<HashMap<UserId, pb::User>, Error> {
        self.users.get(caller, user_ids).await.map_err(Error::Users)
    }
}

/// At most `limit` of a list that was read one further, and where the next page begins.
pub(super) fn page<T>(mut items: Vec<T>, limit: u32, id: impl Fn(&T) -> UserId) -> (Vec<T>, Option<IdCursor>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| has_more).map(|last| IdCursor { after: id(last).as_uuid() });
    (items, last)
}

/// A person of a page; only the mark of it when the account is gone.
pub(in super::super) fn take(users: &mut HashMap<UserId, pb::User>, user_id: UserId) -> pb::User {
    users.remove(&user_id).unwrap_or_else(|| pb::User {
        id: user_id.to_string(),
        is_deleted: true,
        ..pb::User::default()
    })
}
