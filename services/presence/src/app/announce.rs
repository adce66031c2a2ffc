use std::collections::HashSet;

use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::UserId;
use godwit_live::Channel;
use godwit_rpc::Access;

use super::App;
use super::presences::status_label;
use crate::domain::{Presence, Reading};
use crate::error::Error;
use crate::events::outgoing::live_payload;

/// How often a presence that changes while it is told is told again. The next change is told anyway.
const ROUNDS: u32 = 3;

impl App {
    /// Tells the present presence of a user to everybody who may see it and is a friend or shares a direct chat with
    /// them and is online, or has them on screen.
    ///
    /// # Errors
    /// When the chat service, auth, live or the database does not answer: those who are left are not told. Not tried
    /// again: whoever wants to know asks.
    #[tracing::instrument(name = "presence.announce", skip_all, err(level = "debug"))]
    pub async fn announce(&self, user_id: UserId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let reading = self.presence_of(user_id).await?;
            if reading.presence == Presence::Unknown {
                return Ok(());
            }
            self.tell(user_id, reading).await?;
            metrics::counter!("godwit_presence_changes_total", "to" => status_label(reading.presence)).increment(1);
            // Two replicas may tell of two changes in the wrong order: whoever was last finds that it was wrong.
            let activities = self.roster.activities(&[user_id]).await?;
            if activities.get(&user_id).copied() == reading.presence.activity() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn tell(&self, user_id: UserId, reading: Reading) -> Result<(), Error> {
        let watchers = self.roster.watchers_of(user_id).await?;
        let friends = self.friends.of(user_id).await?;
        let strangers = |people: Vec<UserId>| people.into_iter().filter(|person| !watchers.contains(person)).collect();
        let friends: Vec<UserId> = strangers(friends);
        let mut audience: Vec<UserId> = self.online_among(&friends).await?;
        audience.extend(&watchers);
        self.tell_whoever_may_see(user_id, reading, &audience).await?;
        let near: HashSet<UserId> = friends.into_iter().chain(watchers).collect();
        let mut above = None;
        loop {
            let page = self.chats.direct_peers(user_id, above).await?;
            let peers: Vec<UserId> = page.user_ids.iter().copied().filter(|peer| !near.contains(peer)).collect();
            let audience = self.online_among(&peers).await?;
            self.tell_whoever_may_see(user_id, reading, &audience).await?;
            match page.user_ids.last() {
                Some(last) if page.has_more => above = Some(*last),
                _ => return Ok(()),
            }
        }
    }

    /// Asked of live alone, in bulk: most people whom one knows are not there, and need no judging.
    async fn online_among(&self, people: &[UserId]) -> Result<Vec<UserId>, Error> {
        Ok(self.roster.activities(people).await?.into_keys().collect())
    }

    /// Judged when it is told, each time: nothing that is remembered can outlive a block or a change of privacy.
    async fn tell_whoever_may_see(&self, user_id: UserId, reading: Reading, people: &[UserId]) -> Result<(), Error> {
        let pairs: Vec<_> = people.iter().filter(|p| **p != user_id).map(|person| (*person, user_id)).collect();
        let answers = self.access.check_all(AccessAction::SeePresence, &pairs).await?;
        let payload = live_payload(user_id, reading);
        let told = pairs.iter().zip(answers).filter(|(_, access)| *access == Access::Allowed);
        let frames: Vec<_> = told.map(|((person, _), _)| (Channel::User(*person), payload.clone())).collect();
        let count = frames.len();
        if count > 0 {
            self.live.publish(frames).await?;
            metrics::counter!("godwit_presence_told_total").increment(count as u64);
        }
        Ok(())
    }
}
