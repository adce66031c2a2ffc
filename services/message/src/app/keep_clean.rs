use std::time::{Duration, Instant};

use godwit_kernel::ChatId;
use godwit_pg::Pool;

use crate::store::{self, AppendError};

/// Takes away what is not to be there any more: what is left of deleted chats, snippets of deleted messages that were not
/// reached in their deletion, and updates that are older than logs are kept. Any number of replicas may do it at once.
pub struct Cleaner {
    pool: Pool,
    /// `None`: logs are kept for ever.
    retention: Option<Duration>,
    /// The deleted chats up to it were looked at in this round.
    purged_to: Option<ChatId>,
    /// The logs up to this chat were looked at in this walk; `None` before a walk.
    walked_to: Option<ChatId>,
    /// When all logs had been looked at.
    walked_at: Option<Instant>,
}

/// Between two walks over all logs: days count, not minutes, and a walk reads every head.
const WALK_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is.
    More,
    /// There is nothing now.
    Done,
}

impl Cleaner {
    /// One that keeps logs for `retention`.
    pub const fn new(pool: Pool, retention: Option<Duration>) -> Self {
        Self { pool, retention, purged_to: None, walked_to: None, walked_at: None }
    }

    /// Does a little of everything.
    ///
    /// # Errors
    /// When the database does.
    pub async fn clean(&mut self) -> Result<Progress, AppendError> {
        let has_more = [self.scrub().await?, self.purge().await?, self.expire().await?];
        Ok(if has_more.contains(&Progress::More) { Progress::More } else { Progress::Done })
    }

    async fn scrub(&self) -> Result<Progress, AppendError> {
        let mut conn = self.pool.get().await?;
        let Some(scrubbed) = store::scrub_some(&mut conn).await? else {
            return Ok(Progress::Done);
        };
        count("snippets", scrubbed);
        Ok(Progress::More)
    }

    async fn purge(&mut self) -> Result<Progress, AppendError> {
        let mut conn = self.pool.get().await?;
        let Some(chat_id) = store::next_purge(&mut conn, self.purged_to).await? else {
            self.purged_to = None;
            return Ok(Progress::Done);
        };
        let purged = store::purge_some(&mut conn, chat_id).await?;
        count("chats", purged);
        if purged == 0 {
            // What is still on its way to the stream is waited for until the next round; other chats do not wait with it.
            self.purged_to = Some(chat_id);
        }
        Ok(Progress::More)
    }

    async fn expire(&mut self) -> Result<Progress, AppendError> {
        let Some(age) = self.retention else {
            return Ok(Progress::Done);
        };
        if self.walked_at.is_some_and(|at| at.elapsed() < WALK_PAUSE) {
            return Ok(Progress::Done);
        }
        let mut conn = self.pool.get().await?;
        let part = store::expire_logs(&mut conn, self.walked_to, age).await?;
        count("updates", part.deleted);
        self.walked_to = part.after;
        self.walked_at = part.after.is_none().then(Instant::now);
        Ok(if part.after.is_some() { Progress::More } else { Progress::Done })
    }
}

fn count(what: &'static str, how_many: usize) {
    metrics::counter!("godwit_message_cleaned_rows_total", "what" => what).increment(how_many as u64);
}
