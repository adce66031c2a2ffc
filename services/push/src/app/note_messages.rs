use std::collections::{BTreeSet, HashMap, HashSet};

use godwit_kernel::{ChatId, UserId};
use time::OffsetDateTime;

use super::App;
use crate::domain::NewMessage;
use crate::error::Error;
use crate::store::{self, Recipient};

/// Recipients are found at once in chats of at most so many members; in larger ones later, page by page.
const MEMBERS_AT_ONCE: u32 = 200;
/// Messages whose deliveries are made together.
const MESSAGES_AT_ONCE: usize = 50;

/// Whom messages may be told to.
#[derive(Default)]
struct Audience {
    /// Those who can be told, of each chat whose members are known.
    recipients: HashMap<ChatId, Vec<Recipient>>,
}

impl Audience {
    fn is_known(&self, chat_id: ChatId) -> bool {
        self.recipients.contains_key(&chat_id)
    }

    /// Whether there is anybody whom a message may be told to. What each of them wants is looked at with the deliveries.
    fn has_any_for(&self, message: &NewMessage) -> bool {
        self.recipients.get(&message.id.chat_id).is_some_and(|recipients| {
            recipients.iter().any(|recipient| {
                recipient.user_id != message.sender_id
                    && (!recipient.is_muted || message.mentioned.contains(&recipient.user_id))
            })
        })
    }
}

impl App {
    /// Makes the deliveries of messages in small chats; messages in others are noted, and their recipients found later. So
    /// they are when it cannot be learned now who is in a chat. Messages that are too old are passed over; those that came
    /// before are not told again.
    ///
    /// # Errors
    /// The database's; the same batch may then be given again.
    #[tracing::instrument(name = "push.note_messages", skip_all, fields(messages = messages.len()), err(level = "debug"))]
    pub async fn note_messages(&self, messages: &[NewMessage]) -> Result<(), Error> {
        let now = self.clock.now();
        let fresh: Vec<_> = messages
            .iter()
            .map(|message| (message, message.sent_at + self.ttl))
            .filter(|(_, expires_at)| *expires_at > now)
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let audience = self.audience(fresh.iter().map(|(message, _)| message.id.chat_id).collect()).await?;
        let (mut known, unknown): (Vec<_>, Vec<_>) =
            fresh.into_iter().partition(|(message, _)| audience.is_known(message.id.chat_id));
        known.retain(|(message, _)| audience.has_any_for(message));
        self.tell(&known, &audience, now).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.get().await?;
        if store::note_messages(&mut conn, &unknown, now).await? > 0 {
            self.bells.noted.notify_one();
        }
        Ok(())
    }

    async fn tell(
        &self,
        messages: &[(&NewMessage, OffsetDateTime)],
        audience: &Audience,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.get().await?;
        let mut made = 0;
        for chunk in messages.chunks(MESSAGES_AT_ONCE) {
            let chats: HashSet<ChatId> = chunk.iter().map(|(message, _)| message.id.chat_id).collect();
            let recipients: Vec<Recipient> =
                chats.iter().filter_map(|chat_id| audience.recipients.get(chat_id)).flatten().copied().collect();
            made += store::note_and_deliver(&mut conn, chunk, &recipients, now).await?;
        }
        if made > 0 {
            metrics::counter!("godwit_push_enqueued_total").increment(made as u64);
            self.bells.ring_for_deliveries();
        }
        Ok(())
    }

    /// Who can be told in those of the chats that are small.
    async fn audience(&self, chats: BTreeSet<ChatId>) -> Result<Audience, Error> {
        let chats: Vec<ChatId> = chats.into_iter().collect();
        let members = self.peers.members_of_small(&chats, MEMBERS_AT_ONCE).await;
        if members.is_empty() {
            return Ok(Audience::default());
        }
        let everybody: BTreeSet<UserId> = members.values().flatten().copied().collect();
        let mut conn = self.pool.get().await?;
        let reachable = store::reachable_users(&mut conn, &everybody.into_iter().collect::<Vec<_>>()).await?;
        drop(conn);
        let reachable: HashSet<UserId> = reachable.into_iter().collect();
        let reached = |(chat_id, users): (ChatId, Vec<UserId>)| {
            (chat_id, users.into_iter().filter(|user| reachable.contains(user)).collect::<Vec<_>>())
        };
        let members: Vec<(ChatId, Vec<UserId>)> = members.into_iter().map(reached).collect();
        let pairs: Vec<_> =
            members.iter().flat_map(|(chat_id, users)| users.iter().map(|user| (*chat_id, *user))).collect();
        // Who has muted a chat that is left to later is asked then.
        let Some(listeners) = self.peers.listeners_soon(&pairs).await else {
            return Ok(Audience::default());
        };
        let recipient = |chat_id, user_id| Recipient {
            chat_id,
            user_id,
            is_muted: listeners.listener(chat_id, user_id).is_some_and(|listener| listener.is_muted),
        };
        let recipients = members
            .into_iter()
            .map(|(chat_id, users)| (chat_id, users.into_iter().map(|user_id| recipient(chat_id, user_id)).collect()));
        Ok(Audience { recipients: recipients.collect() })
    }
}
