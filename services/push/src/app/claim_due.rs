use std::collections::{BTreeSet, HashMap, HashSet};

use godwit_kernel::{DeviceId, MessageId, UserId};
use time::{Duration, OffsetDateTime};

use super::App;
use crate::clients::Listeners;
use crate::domain::{Case, Content, Delivery, Letter, Notification, NotificationSettings, Provider, Silence};
use crate::error::Error;
use crate::store::{self, Claim, End};

/// When deliveries are due again whose messages could not be asked for.
const RELEASE_PAUSE: Duration = Duration::seconds(1);

/// A claimed try, and what it tells.
pub struct Telling {
    /// Which device of which message.
    pub delivery: Delivery,
    /// What the device is told.
    pub letter: Letter,
    /// When the message was sent.
    pub sent_at: OffsetDateTime,
}

/// What comes of a claim.
#[derive(Default)]
pub struct Claimed {
    /// Whom to tell what.
    pub tellings: Vec<Telling>,
    /// How many deliveries were claimed, those included that turned out not to be made.
    pub count: usize,
}

/// What decides on some deliveries, as it is now.
struct Circumstances {
    contents: HashMap<MessageId, Content>,
    names: HashMap<UserId, String>,
    listeners: Listeners,
    blocked: HashSet<(UserId, UserId)>,
    in_front: HashSet<DeviceId>,
    settings: HashMap<UserId, NotificationSettings>,
}

impl App {
    /// Claims deliveries of a push service that are due, at most `limit` and none of the `busy` devices, and reads what they
    /// tell: the messages as they are now. Who is not to be told any more is not: what was deleted meanwhile is told to
    /// nobody, and its other deliveries are dropped too.
    ///
    /// # Errors
    /// The database's; that another service does not answer: what was claimed is then due again in a second.
    pub async fn claim_due(&self, provider: Provider, limit: usize, busy: &[DeviceId]) -> Result<Claimed, Error> {
        if provider == Provider::Web {
            self.vapid_key().await?;
        }
        let now = self.clock.now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut conn = self.pool.get().await?;
        let claim = Claim { provider, limit, busy, now, until: now + self.claim_ttl };
        let claimed = store::claim_due(&mut conn, &claim).await?;
        drop(conn);
        if claimed.is_empty() {
            return Ok(Claimed::default());
        }
        let count = claimed.len();
        match self.circumstances(&claimed).await {
            Ok(circumstances) => {
                let tellings = self.tell_or_cancel(provider, claimed, &circumstances).await?;
                Ok(Claimed { tellings, count })
            }
            Err(error) => {
                let mut conn = self.pool.get().await?;
                store::release(&mut conn, &claimed.iter().collect::<Vec<_>>(), now + RELEASE_PAUSE).await?;
                Err(error)
            }
        }
    }

    async fn circumstances(&self, claimed: &[Delivery]) -> Result<Circumstances, Error> {
        let ids: HashSet<MessageId> = claimed.iter().map(|delivery| delivery.message_id).collect();
        let ids: Vec<MessageId> = ids.into_iter().collect();
        let users: BTreeSet<UserId> = claimed.iter().map(|delivery| delivery.address.user_id).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let pairs: BTreeSet<_> =
            claimed.iter().map(|delivery| (delivery.message_id.chat_id, delivery.address.user_id)).collect();
        let contents: HashMap<MessageId, Content> =
            self.peers.contents(&ids).await?.into_iter().map(|content| (content.id, content)).collect();
        let senders: BTreeSet<UserId> = contents.values().map(|content| content.sender_id).collect();
        let couples: BTreeSet<(UserId, UserId)> = claimed
            .iter()
            .filter_map(|delivery| Some((contents.get(&delivery.message_id)?.sender_id, delivery.address.user_id)))
            .filter(|(sender, recipient)| sender != recipient)
            .collect();
        let mut conn = self.pool.get().await?;
        let settings = store::notification_settings(&mut conn, &users).await?;
        drop(conn);
        Ok(Circumstances {
            names: self.peers.display_names(&senders.into_iter().collect::<Vec<_>>()).await?,
            listeners: self.peers.check_listeners(&pairs.into_iter().collect::<Vec<_>>()).await?,
            blocked: self.peers.blocked_among(&couples.into_iter().collect::<Vec<_>>()).await?,
            in_front: self.peers.devices_in_front(&users).await,
            contents,
            settings,
        })
    }

    async fn tell_or_cancel(
        &self,
        provider: Provider,
        claimed: Vec<Delivery>,
        circumstances: &Circumstances,
    ) -> Result<Vec<Telling>, Error> {
        let (mut told, mut silent, mut gone) = (Vec::new(), Vec::new(), HashSet::new());
        for delivery in claimed {
            let Some(content) = circumstances.contents.get(&delivery.message_id) else {
                count(provider, "deleted");
                gone.insert(delivery.message_id);
                continue;
            };
            match circumstances.silence(&delivery, content) {
                Some(silence) => silent.push((delivery, silence)),
                None => {
                    let letter = circumstances.letter(&delivery, content);
                    told.push(Telling { delivery, letter, sent_at: content.sent_at });
                }
            }
        }
        if !gone.is_empty() {
            self.forget_messages(&gone.into_iter().collect::<Vec<_>>()).await?;
        }
        if !silent.is_empty() {
            let ended: Vec<_> =
                silent.iter().map(|(delivery, silence)| (delivery, End::Cancelled, silence.as_str())).collect();
            let mut conn = self.pool.get().await?;
            store::finish(&mut conn, &ended, self.clock.now()).await?;
            silent.iter().for_each(|(_, silence)| count(provider, silence.as_str()));
        }
        Ok(told)
    }
}

impl Circumstances {
    fn silence(&self, delivery: &Delivery, content: &Content) -> Option<Silence> {
        let (chat_id, recipient) = (delivery.message_id.chat_id, delivery.address.user_id);
        let case = Case {
            recipient,
            sender: content.sender_id,
            sent_at: content.sent_at,
            is_mention: delivery.is_mention,
            is_read: delivery.is_read,
            is_blocked: self.blocked.contains(&(content.sender_id, recipient)),
            is_in_front: self.in_front.contains(&delivery.address.device_id),
            chat: self.listeners.chat(chat_id),
            listener: self.listeners.listener(chat_id, recipient),
            settings: self.settings_of(recipient),
        };
        case.silence()
    }

    fn letter(&self, delivery: &Delivery, content: &Content) -> Letter {
        let name = self.names.get(&content.sender_id).map_or("", String::as_str);
        let chat = self.listeners.chat(delivery.message_id.chat_id).cloned().unwrap_or_default();
        let preview = self.settings_of(delivery.address.user_id).preview;
        let notification = Notification::of(content, name, &chat, preview);
        Letter::MessageCreated(Notification { is_mention: delivery.is_mention, ..notification })
    }

    fn settings_of(&self, user: UserId) -> NotificationSettings {
        self.settings.get(&user).copied().unwrap_or_default()
    }
}

fn count(provider: Provider, outcome: &'static str) {
    metrics::counter!("godwit_push_deliveries_total", "provider" => provider.as_str(), "outcome" => outcome)
        .increment(1);
}
