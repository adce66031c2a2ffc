use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::list_chat_members::{UsersPage, page, take};
use crate::domain::{Ban, IdCursor, Right};
use crate::error::Error;
use crate::store;

/// A ban with what the caller may see of the person.
#[derive(Clone, Debug)]
pub struct BanView {
    /// The ban.
    pub ban: Ban,
    /// Who is banned.
    pub user: pb::User,
}

impl App {
    /// A page of the bans of a chat, in user id order.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.list_bans", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_bans(
        &self,
        caller: UserId,
        chat_id: ChatId,
        cursor: Option<IdCursor>,
        limit: u32,
    ) -> Result<UsersPage<BanView>, Error> {
        self.check_right(caller, chat_id, Right::Ban).await?;
        let mut conn = self.pool.get().await?;
        let above = cursor.map(|cursor| UserId::from_uuid(cursor.after));
        let bans = store::bans_of(&mut conn, chat_id, above, limit + 1).await?;
        drop(conn);
        let (bans, next_cursor) = page(bans, limit, |ban| ban.user_id);
        let ids: Vec<_> = bans.iter().map(|ban| ban.user_id).collect();
        let mut users = self.people(caller, &ids).await?;
        let view = |ban: Ban| BanView { user: take(&mut users, ban.user_id), ban };
        Ok(UsersPage { items: bans.into_iter().map(view).collect(), next_cursor })
    }
}
