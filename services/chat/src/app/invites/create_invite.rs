use godwit_kernel::{ChatId, UserId};
use godwit_rpc::InvalidField;

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::{INVITES_MAX, Invite, InviteCode, InviteTerms, Right};
use crate::error::Error;
use crate::store::{self, Transactional as _};

/// For so long an invite that is over is kept, for who asks again whether they came in by it.
const KEPT: time::Duration = time::Duration::DAY;

impl App {
    /// Makes a way into a group or channel. Again under the same key: the one that was made, for as long as it is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] terms, [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::TooManyInvites`].
    #[tracing::instrument(name = "chat.create_invite", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn create_invite(
        &self,
        caller: UserId,
        chat_id: ChatId,
        terms: InviteTerms,
        key: Option<String>,
    ) -> Result<Invite, Error> {
        let now = self.clock.now();
        // Only once it is known that this is no repeat: its end may have come near since.
        let checked = terms.check(now);
        let invite = Invite {
            code: InviteCode::generate(self.entropy.as_ref()),
            chat_id,
            created_by: caller,
            created_at: now,
            expires_at: terms.expires_at,
            uses_max: terms.uses_max,
            use_count: 0,
            needs_approval: terms.needs_approval,
        };
        let mut conn = self.pool.get().await?;
        let kept = conn.transaction::<_, Error, _>(async |tx| {
            lock_for(tx, caller, chat_id, Right::Invite).await?;
            if let Some(key) = &key
                && let Some(made) = store::invite_of_key(tx, chat_id, caller, key).await?
            {
                return Ok(made);
            }
            checked.map_err(|(field, problem)| InvalidField::new(field, problem))?;
            store::delete_stale_invites(tx, chat_id, now - KEPT).await?;
            if store::invites_of(tx, chat_id, now).await?.len() >= INVITES_MAX {
                return Err(Error::TooManyInvites);
            }
            store::insert_invite(tx, &invite, key.as_deref()).await?;
            Ok(invite)
        });
        kept.await
    }
}
