use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::DirectPair;
use crate::error::Error;
use crate::store;

impl App {
    /// The direct chat that two people share, if they do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_direct_chat(&self, user_id: UserId, peer_id: UserId) -> Result<Option<ChatId>, Error> {
        let Some(pair) = DirectPair::of(user_id, peer_id) else { return Ok(None) };
        let mut conn = self.pool.get().await?;
        Ok(store::direct_chat_id(&mut conn, pair).await?)
    }
}
