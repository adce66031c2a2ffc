use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::Listeners;
use crate::error::Error;
use crate::store;

impl App {
    /// Who of some people is in a chat, and has muted it, at this moment. Chats where none of them is are absent.
    ///
    /// # Errors
    /// When the database does.
    pub async fn check_listeners(&self, pairs: &[(ChatId, UserId)]) -> Result<Vec<Listeners>, Error> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let mut conn = self.pool.get().await?;
        Ok(store::listeners(&mut conn, pairs, self.clock.now()).await?)
    }
}
