use bytes::Bytes;
use godwit_contract::events::v1::{ChatInterest, LivePayload, live_payload};
use godwit_kernel::{ChatId, UserId, limits};
use godwit_live::Channel;
use prost::Message as _;

use super::App;
use crate::Error;
use crate::store;

impl App {
    /// Appends what a chat has pending to its log, oldest first, and tells the members' gateways to follow the chat. An
    /// update is forgotten after both, so that a crash between repeats them; neither minds.
    ///
    /// # Errors
    /// When the log or the database does not answer; what is not appended stays pending.
    pub async fn append_pending(&self, chat_id: ChatId) -> Result<(), Error> {
        let pending = store::pending_of_chat(&mut *self.pool.get().await?, chat_id).await?;
        if pending.is_empty() {
            return Ok(());
        }
        for update in &pending {
            self.logs.append(update).await.map_err(|status| Error::LogNotReady(Box::new(status)))?;
            metrics::counter!("chat_updates_appended_total").increment(1);
        }
        self.announce(chat_id).await?;
        let mut connection = self.pool.get().await?;
        for update in &pending {
            store::delete_pending(&mut connection, update.event_id).await?;
        }
        Ok(())
    }

    /// Chats of which something was due, appended by whoever comes first; tells how many chats there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn append_due(&self, limit: u32) -> Result<usize, Error> {
        let due = {
            let mut connection = self.pool.get().await?;
            let pending = store::count_pending(&mut connection).await?;
            metrics::gauge!("chat_pending_updates_count").set(f64::from(u32::try_from(pending).unwrap_or(u32::MAX)));
            store::claim_due_chats(&mut connection, self.clock.now(), limit).await?
        };
        for chat_id in &due {
            if let Err(error) = self.append_pending(*chat_id).await {
                tracing::warn!(chat.id = %chat_id, error = &error as &dyn std::error::Error, "an update stays pending");
            }
        }
        Ok(due.len())
    }

    /// Live may be lost: a gateway that does not hear of the chat follows it when the client connects again.
    async fn announce(&self, chat_id: ChatId) -> Result<(), Error> {
        let interest = ChatInterest { chat_ids: vec![chat_id.to_string()] };
        let payload = LivePayload { payload: Some(live_payload::Payload::Joined(interest)) };
        let bytes = Bytes::from(payload.encode_to_vec());
        let mut above = None;
        loop {
            let members: Vec<UserId> = {
                let mut connection = self.pool.get().await?;
                store::list_members(&mut connection, chat_id, above, limits::INTERNAL_PAGE_MAX).await?
            };
            let Some(last) = members.last() else { return Ok(()) };
            above = Some(*last);
            let messages = members.iter().map(|user_id| (Channel::User(*user_id), bytes.clone())).collect();
            if let Err(error) = self.live.publish(messages).await {
                tracing::debug!(chat.id = %chat_id, %error, "members could not be told of a chat");
                return Ok(());
            }
        }
    }
}
