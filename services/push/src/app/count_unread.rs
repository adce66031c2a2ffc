use godwit_kernel::UserId;

use super::App;
use crate::error::Error;

/// More than anybody looks at.
const UNREAD_MAX: u32 = 9_999;

impl App {
    /// How many messages somebody has not read, in those of their chats that they have not muted: of the chats that were
    /// active last, and 9,999 at most.
    ///
    /// # Errors
    /// When another service does not answer.
    pub async fn count_unread(&self, user_id: UserId) -> Result<u32, Error> {
        let unread = self.peers.unread_chats(user_id).await?;
        let pairs: Vec<_> = unread.iter().map(|(chat_id, _)| (*chat_id, user_id)).collect();
        let listeners = self.peers.check_listeners(&pairs).await?;
        let is_loud = |chat_id| listeners.listener(chat_id, user_id).is_some_and(|listener| !listener.is_muted);
        let counts = unread.into_iter().filter(|(chat_id, _)| is_loud(*chat_id)).map(|(_, count)| count);
        Ok(counts.fold(0, u32::saturating_add).min(UNREAD_MAX))
    }
}
