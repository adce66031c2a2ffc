use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_kernel::{ChatId, UserId};
use tokio::time::timeout;

use super::{Listeners, Peers};
use crate::error::Error;

/// Chats asked for at the same time.
const CHATS_AT_ONCE: usize = 16;
/// The stream does not wait longer for who is in a chat: it is found out later.
const PATIENCE: Duration = Duration::from_secs(2);

impl Peers {
    /// The members of those of the chats that have at most `limit`; none of all, when the chat service does not answer soon.
    pub async fn members_of_small(&self, chats: &[ChatId], limit: u32) -> HashMap<ChatId, Vec<UserId>> {
        if self.chat_rest.is_on() {
            return HashMap::new();
        }
        let members = async |chat_id: ChatId| {
            let page = self.list_members(chat_id, None, limit).await?;
            Ok::<_, Error>((chat_id, page))
        };
        let pages = stream::iter(chats.iter().copied()).map(members).buffer_unordered(CHATS_AT_ONCE);
        let small = pages
            .try_filter_map(async |(chat_id, page)| Ok(page.next_after.is_none().then_some((chat_id, page.user_ids))))
            .try_collect();
        self.soon(small).await.unwrap_or_default()
    }

    /// What [`Self::check_listeners`] gives; `None` when the chat service does not answer soon.
    pub async fn listeners_soon(&self, pairs: &[(ChatId, UserId)]) -> Option<Listeners> {
        self.soon(self.check_listeners(pairs)).await
    }

    async fn soon<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Option<T> {
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Some(answer),
            failed => {
                let error = failed.ok().and_then(Result::err);
                tracing::debug!(?error, "recipients are found later");
                self.chat_rest.begin();
                None
            }
        }
    }
}
