use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::{check_room_for_admin, lock_for};
use crate::domain::{Member, Right, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

/// What a member is made: ownership moves by [`App::transfer_ownership`] alone.
const MADE: [Role; 2] = [Role::Admin, Role::Member];

impl App {
    /// Makes a member an admin, or an admin a member. Who has the role already keeps it without an update.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::MemberNotFound`], [`Error::MemberProtected`] of the owner,
    /// [`Error::TooManyAdmins`].
    #[tracing::instrument(name = "chat.change_role", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn change_role(
        &self,
        caller: UserId,
        chat_id: ChatId,
        user_id: UserId,
        role: Role,
    ) -> Result<Member, Error> {
        let mut conn = self.pool.get().await?;
        let changed = conn.transaction::<_, Error, _>(async |tx| {
            let mut chat = lock_for(tx, caller, chat_id, Right::ChangeRoles).await?.chat;
            let before = store::member_of(tx, chat_id, user_id).await?.ok_or(Error::MemberNotFound)?;
            if before.role == role {
                return Ok((before, Vec::new()));
            }
            if !MADE.contains(&before.role) || !MADE.contains(&role) {
                return Err(Error::MemberProtected);
            }
            if role == Role::Admin {
                check_room_for_admin(tx, chat_id).await?;
            }
            let member = Member { role, ..before };
            store::set_role(tx, chat_id, user_id, role).await?;
            if role < before.role {
                chat.version = chat.version.next();
                store::save_chat(tx, &chat).await?;
            }
            self.append(tx, &chat, Some(caller), outgoing::roles_changed(&[member])).await?;
            Ok((member, self.tell_new_role(tx, &chat, before, role, Some(caller)).await?))
        });
        let (member, told) = changed.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(member)
    }
}
