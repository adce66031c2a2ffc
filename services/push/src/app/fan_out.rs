use std::collections::BTreeMap;

use godwit_kernel::{ChatId, Seq, UserId};
use time::Duration;

use super::App;
use crate::error::Error;
use crate::store::{self, MemberStep};

/// Messages taken at once.
const MESSAGES: i64 = 200;
/// Members looked at together: what of a chat is in memory, whatever its size.
const MEMBERS: u32 = 1_000;
/// How long a claimed message is left to its claimer, who looks at one page of members a chat.
const CLAIM_TTL: Duration = Duration::seconds(60);
/// When a message is due again whose recipients could not be asked for.
const RETRY_PAUSE: Duration = Duration::seconds(1);

impl App {
    /// Takes one step with messages whose recipients are still to be found: a page of the members of each chat. Tells how many
    /// messages were taken.
    ///
    /// # Errors
    /// The database's; that another service does not answer: the messages are then due again in a second.
    #[tracing::instrument(name = "push.fan_out", skip_all, err(level = "debug"))]
    pub async fn fan_out(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let claimed = store::claim_fan_outs(&mut conn, MESSAGES, now, now + CLAIM_TTL).await?;
        drop(conn);
        let mut groups: BTreeMap<(ChatId, Option<UserId>), Vec<Seq>> = BTreeMap::new();
        for fan_out in &claimed {
            groups.entry((fan_out.message_id.chat_id, fan_out.after)).or_default().push(fan_out.message_id.seq);
        }
        let mut failure = None;
        for ((chat_id, after), mut seqs) in groups {
            seqs.sort_unstable();
            if let Err(error) = self.fan_out_to_page(chat_id, after, &seqs).await {
                let mut conn = self.pool.get().await?;
                store::release_fan_outs(&mut conn, chat_id, &seqs, self.clock.now() + RETRY_PAUSE).await?;
                failure = Some(error);
            }
        }
        failure.map_or(Ok(claimed.len()), Err)
    }

    async fn fan_out_to_page(&self, chat_id: ChatId, after: Option<UserId>, seqs: &[Seq]) -> Result<(), Error> {
        let page = self.peers.list_members(chat_id, after, MEMBERS).await?;
        let mut conn = self.pool.get().await?;
        let users = store::reachable_users(&mut conn, &page.user_ids).await?;
        drop(conn);
        let pairs: Vec<_> = users.iter().map(|user| (chat_id, *user)).collect();
        let listeners = self.peers.check_listeners(&pairs).await?;
        let is_muted = |user: &&UserId| listeners.listener(chat_id, **user).is_some_and(|listener| listener.is_muted);
        let muted: Vec<UserId> = users.iter().filter(is_muted).copied().collect();
        let step = MemberStep { chat_id, seqs, users: &users, muted: &muted, next_after: page.next_after };
        let mut conn = self.pool.get().await?;
        let made = store::take_step(&mut conn, &step, self.clock.now()).await?;
        if made > 0 {
            metrics::counter!("godwit_push_enqueued_total").increment(made as u64);
            self.bells.ring_for_deliveries();
        }
        Ok(())
    }
}
