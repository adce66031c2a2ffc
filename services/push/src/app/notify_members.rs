use std::collections::BTreeMap;

use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::NewMessage;
use crate::error::Error;
use crate::store;

impl App {
    /// Makes a delivery of each message to every subscribed device of the chat's members other than the sender.
    /// Messages that are too old are passed over; those that came before are not told again. What nobody is subscribed
    /// for costs a look at the chat's members and one at the subscriptions, however many messages there are.
    ///
    /// # Errors
    /// When another service or the database does not answer; the same batch may then be given again.
    #[tracing::instrument(name = "push.notify_members", skip_all, err(level = "debug"))]
    pub async fn notify_members(&self, messages: &[NewMessage]) -> Result<(), Error> {
        let now = self.clock.now();
        let mut by_chat: BTreeMap<ChatId, Vec<&NewMessage>> = BTreeMap::new();
        for message in messages.iter().filter(|message| message.sent_at + self.ttl > now) {
            by_chat.entry(message.id.chat_id).or_default().push(message);
        }
        for (chat_id, messages) in by_chat {
            self.notify_chat(chat_id, &messages).await?;
        }
        Ok(())
    }

    async fn notify_chat(&self, chat_id: ChatId, messages: &[&NewMessage]) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = self.peers.list_members(chat_id, after).await?;
            let mut conn = self.pool.get().await?;
            let subscribed = store::subscribed_users(&mut conn, &page.user_ids).await?;
            drop(conn);
            if !subscribed.is_empty() {
                self.enqueue(messages, &subscribed).await?;
            }
            match page.next_after {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn enqueue(&self, messages: &[&NewMessage], subscribed: &[UserId]) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let mut made = 0;
        for message in messages {
            let others: Vec<UserId> = subscribed.iter().copied().filter(|user| *user != message.sender_id).collect();
            if others.is_empty() {
                continue;
            }
            made += store::enqueue(&mut conn, message.id, &others, now, message.sent_at + self.ttl).await?;
        }
        if made > 0 {
            metrics::counter!("godwit_push_enqueued_total").increment(made as u64);
            self.enqueued.notify_one();
        }
        Ok(())
    }
}
