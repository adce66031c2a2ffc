use std::time::Duration;

use futures_util::future::try_join_all;
use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{MediaId, UserId};
use godwit_rpc::Access;

use super::App;
use crate::domain::{Audience, Carrier, Media, State};
use crate::error::Error;
use crate::store;

/// Up to so many chats are asked about one by one; for more, the caller's chats are gone through.
const FEW_CHATS: usize = 4;
/// How often it is looked whether the stream has told of what is about to be sent, and the pause between.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(200);

impl App {
    /// The record of an upload of the caller, of one that was sent in a chat of theirs and was not deleted there, or of an
    /// avatar or the picture of a chat that they may see.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else and when it was given up; [`Error::Access`]; the database's.
    #[tracing::instrument(name = "media.get_media", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_media(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let media = self.find(id).await?.ok_or(Error::NotFound)?;
        if media.is_expired_at(self.clock.now()) || !self.may_see(caller, &media).await? {
            return Err(Error::NotFound);
        }
        Ok(media)
    }

    /// Asked of auth and chat each time: a block, another privacy, or who leaves a chat, holds at once.
    async fn may_see(&self, caller: UserId, media: &Media) -> Result<bool, Error> {
        if media.is_of(caller) {
            return Ok(true);
        }
        if media.state != State::Ready {
            return Ok(false);
        }
        if media.audience == Audience::AvatarViewers {
            let answer = self.access.check(AccessAction::SeeAvatar, caller, media.owner_id).await;
            if answer.map_err(|status| Error::Access(Box::new(status)))? == Access::Allowed {
                return Ok(true);
            }
        }
        self.is_in_a_chat_of(caller, media.id).await
    }

    /// Whoever hears of a message live may ask before the stream has told of it: what is about to be sent is waited for.
    async fn is_in_a_chat_of(&self, caller: UserId, id: MediaId) -> Result<bool, Error> {
        let mut looks_left = LOOKS;
        loop {
            let mut conn = self.pool.get().await?;
            let limit = i64::try_from(FEW_CHATS + 1).unwrap_or(i64::MAX);
            let carriers = store::carriers(&mut conn, id, limit).await?;
            if !carriers.is_empty() {
                drop(conn);
                return self.is_in_one_of(caller, id, &carriers).await;
            }
            looks_left -= 1;
            // Only what was described to be sent is kept for longer than what is not.
            if looks_left == 0 || !store::is_kept_after(&mut conn, id, self.clock.now() + self.unused_ttl).await? {
                return Ok(false);
            }
            drop(conn);
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// The picture of a chat that anybody finds is for anybody.
    async fn is_in_one_of(&self, caller: UserId, id: MediaId, carriers: &[Carrier]) -> Result<bool, Error> {
        let asked = carriers.iter().take(FEW_CHATS).map(async |carrier| {
            let standing = self.chats.standing(carrier.chat_id, caller).await?;
            Ok(standing.is_member || (carrier.is_picture && standing.is_public))
        });
        let answers = try_join_all(asked).await.map_err(|status| Error::Chats(Box::new(status)))?;
        if answers.contains(&true) {
            return Ok(true);
        }
        if carriers.len() > FEW_CHATS { self.is_in_one_of_all_chats_of(caller, id).await } else { Ok(false) }
    }

    /// What was forwarded to many chats: whether one of the caller's is among them.
    async fn is_in_one_of_all_chats_of(&self, caller: UserId, id: MediaId) -> Result<bool, Error> {
        let mut above = None;
        loop {
            let page = self.chats.chat_ids(caller, above).await.map_err(|status| Error::Chats(Box::new(status)))?;
            let mut conn = self.pool.get().await?;
            if store::is_carried_by(&mut conn, id, &page.chat_ids).await? {
                return Ok(true);
            }
            above = page.chat_ids.last().copied();
            if !page.has_more || above.is_none() {
                return Ok(false);
            }
        }
    }
}
