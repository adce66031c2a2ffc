use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::UserId;
use godwit_kernel::limits::BATCH_IDS_MAX;
use godwit_live::Channel;
use godwit_rpc::Access;

use super::App;
use super::get_presence::status_label;
use crate::domain::Presence;
use crate::error::Error;
use crate::events::outgoing::live_payload;

/// How often a presence that changes while it is told is told again. The next change is told anyway.
const ROUNDS: u32 = 3;

impl App {
    /// Tells the present presence of a user to everybody who shares a direct chat with them and may see it.
    ///
    /// # Errors
    /// When the chat service, auth, live or the database does not answer: those who are left are not told. Not tried
    /// again: whoever wants to know asks.
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
            for peers in page.user_ids.chunks(BATCH_IDS_MAX) {
                let told = self.who_may_see(user_id, peers).await?;
                let frames = told.into_iter().map(|peer_id| (Channel::User(peer_id), payload.clone())).collect();
                self.live.publish(frames).await?;
            }
            match page.user_ids.last() {
                Some(last) if page.has_more => above = Some(*last),
                _ => return Ok(()),
            }
        }
    }

    async fn who_may_see(&self, user_id: UserId, peers: &[UserId]) -> Result<Vec<UserId>, Error> {
        let pairs: Vec<_> = peers.iter().map(|peer_id| (*peer_id, user_id)).collect();
        let answers = self.access.check_all(AccessAction::SeePresence, &pairs).await?;
        let told = peers.iter().zip(answers).filter(|(_, access)| *access == Access::Allowed);
        Ok(told.map(|(peer_id, _)| *peer_id).collect())
    }
}
