use godwit_contract::chat::v1::ListChatIdsRequest;
use godwit_contract::message::v1::{GetHeadsRequest, RankChatsRequest};
use godwit_kernel::limits::{BATCH_IDS_MAX, INTERNAL_PAGE_MAX};
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Target, retry_idempotent};

use super::{Peers, failed};
use crate::error::Error;

impl Peers {
    /// The chats of somebody in which there are unread messages, and how many: of those that were active last.
    ///
    /// # Errors
    /// When another service does not answer.
    pub async fn unread_chats(&self, user_id: UserId) -> Result<Vec<(ChatId, u32)>, Error> {
        let (user_id, after_chat_id) = (user_id.to_string(), String::new());
        let request = ListChatIdsRequest { user_id: user_id.clone(), after_chat_id, limit: INTERNAL_PAGE_MAX };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.chat.clone(), request.clone());
            async move { client.list_chat_ids(request).await }
        });
        let mut chat_ids = answer.await.map_err(|status| failed(Target::Chat, status))?.into_inner().chat_ids;
        if chat_ids.len() > BATCH_IDS_MAX {
            chat_ids = self.latest(chat_ids).await?;
        }
        let request = GetHeadsRequest { chat_ids, viewer_id: user_id, with_receipts: false };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.message.clone(), request.clone());
            async move { client.get_heads(request).await }
        });
        let heads = answer.await.map_err(|status| failed(Target::Message, status))?.into_inner().heads;
        let unread = heads.into_iter().filter(|head| head.unread_count > 0);
        Ok(unread.filter_map(|head| Some((head.chat_id.parse().ok()?, head.unread_count))).collect())
    }

    async fn latest(&self, chat_ids: Vec<String>) -> Result<Vec<String>, Error> {
        let limit = u32::try_from(BATCH_IDS_MAX).unwrap_or(u32::MAX);
        let request = RankChatsRequest { chat_ids, after: None, limit };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.message.clone(), request.clone());
            async move { client.rank_chats(request).await }
        });
        let ranks = answer.await.map_err(|status| failed(Target::Message, status))?.into_inner().ranks;
        Ok(ranks.into_iter().map(|rank| rank.chat_id).collect())
    }
}
