use godwit_kernel::UserId;
use godwit_live::Channel;

use super::App;
use super::get_presence::status_label;
use crate::domain::Presence;
use crate::error::Error;
use crate::events::outgoing::live_payload;

/// Frames handed to live at once.
const PUBLISH_MAX: usize = 1_000;
/// How often a presence that changes while it is told is told again. The next change is told anyway.
const ROUNDS: u32 = 3;

impl App {
    /// Tells the present presence of a user to everybody who shares a direct chat with them.
    ///
    /// # Errors
    /// When the chat service, live or the database does not answer. Not tried again: whoever wants to know asks.
    #[tracing::instrument(name = "presence.announce", skip_all, err(level = "debug"))]
    pub async fn announce(&self, user_id: UserId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let presence = self.presence_of(user_id).await?;
            if presence == Presence::Unknown {
                return Ok(());
            }
            self.tell_peers(user_id, presence).await?;
            metrics::counter!("godwit_presence_changes_total", "to" => status_label(presence)).increment(1);
            // Two replicas may tell of two changes in the wrong order: whoever was last finds that it was wrong.
            if self.roster.is_online(user_id).await? == (presence == Presence::Online) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn tell_peers(&self, user_id: UserId, presence: Presence) -> Result<(), Error> {
        let payload = live_payload(user_id, presence);
        let mut above = None;
        loop {
            let page = self.chats.direct_peers(user_id, above).await?;
            for peers in page.user_ids.chunks(PUBLISH_MAX) {
                let frames = peers.iter().map(|peer_id| (Channel::User(*peer_id), payload.clone())).collect();
                self.live.publish(frames).await?;
            }
            match page.user_ids.last() {
                Some(last) if page.has_more => above = Some(*last),
                _ => return Ok(()),
            }
        }
    }
}
