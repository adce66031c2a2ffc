use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::{check_room_for_admin, lock_for};
use crate::domain::{Member, Right, Role};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

impl App {
    /// Makes another member the owner and the caller an admin.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::CannotTargetSelf`], [`Error::MemberNotFound`],
    /// [`Error::TooManyAdmins`].
    #[tracing::instrument(name = "chat.transfer_ownership", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn transfer_ownership(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let moved = conn.transaction::<_, Error, _>(async |tx| {
            let mut acting = lock_for(tx, caller, chat_id, Right::Transfer).await?;
            if user_id == caller {
                return Err(Error::CannotTargetSelf);
            }
            let heir = store::member_of(tx, chat_id, user_id).await?.ok_or(Error::MemberNotFound)?;
            if heir.role == Role::Member {
                check_room_for_admin(tx, chat_id).await?;
            }
            let (admin, owner) = (Member { role: Role::Admin, ..acting.caller }, Member { role: Role::Owner, ..heir });
            for member in [admin, owner] {
                store::set_role(tx, chat_id, member.user_id, member.role).await?;
            }
            acting.chat.version = acting.chat.version.next();
            store::save_chat(tx, &acting.chat).await?;
            self.append(tx, &acting.chat, Some(caller), outgoing::roles_changed(&[owner, admin])).await?;
            self.tell_new_role(tx, &acting.chat, heir, Role::Owner, Some(caller)).await
        });
        let told = moved.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(())
    }
}
