use std::collections::{BTreeMap, BTreeSet};

use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::{NewMessage, Notification};
use crate::error::Error;
use crate::store;

/// A message, ready to be told.
struct Told<'a> {
    message: &'a NewMessage,
    payload: Vec<u8>,
}

impl App {
    /// Makes a delivery of each message to every subscribed device of the chat's members other than the sender.
    /// Messages that are too old are passed over; those that came before are not told again.
    ///
    /// # Errors
    /// When another service or the database does not answer; the same batch may then be given again.
    #[tracing::instrument(name = "push.notify_members", skip_all, err(level = "debug"))]
    pub async fn notify_members(&self, messages: &[NewMessage]) -> Result<(), Error> {
        let now = self.clock.now();
        let fresh: Vec<&NewMessage> = messages.iter().filter(|message| message.sent_at + self.ttl > now).collect();
        let senders: BTreeSet<UserId> = fresh.iter().map(|message| message.sender_id).collect();
        let names = self.peers.display_names(&senders.into_iter().collect::<Vec<_>>()).await?;
        let mut by_chat: BTreeMap<ChatId, Vec<Told<'_>>> = BTreeMap::new();
        for message in fresh {
            let name = names.get(&message.sender_id).map_or("", String::as_str);
            let payload = Notification::of(message, name).to_json();
            by_chat.entry(message.id.chat_id).or_default().push(Told { message, payload });
        }
        for (chat_id, told) in by_chat {
            self.notify_chat(chat_id, &told).await?;
        }
        Ok(())
    }

    async fn notify_chat(&self, chat_id: ChatId, told: &[Told<'_>]) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = self.peers.list_members(chat_id, after).await?;
            let made = self.enqueue(told, &page.user_ids).await?;
            if made > 0 {
                metrics::counter!("godwit_push_enqueued_total").increment(made as u64);
                self.enqueued.notify_one();
            }
            match page.next_after {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn enqueue(&self, told: &[Told<'_>], members: &[UserId]) -> Result<usize, Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let mut made = 0;
        for Told { message, payload } in told {
            let others: Vec<UserId> = members.iter().copied().filter(|user| *user != message.sender_id).collect();
            made += store::enqueue(&mut conn, message.id, payload, &others, now, message.sent_at + self.ttl).await?;
        }
        Ok(made)
    }
}
