use std::collections::BTreeMap;

use godwit_kernel::{ChatId, UserId};

use super::{App, cue_times};
use crate::domain::ReadUpTo;
use crate::error::Error;
use crate::store;

impl App {
    /// Notes how far people have read: what they have read is not told any more, and devices that show it take it back.
    ///
    /// # Errors
    /// The database's; the same may then be given again.
    #[tracing::instrument(name = "push.note_reads", skip_all, fields(reads = reads.len()), err(level = "debug"))]
    pub async fn note_reads(&self, reads: &[ReadUpTo]) -> Result<(), Error> {
        let mut furthest: BTreeMap<(UserId, ChatId), ReadUpTo> = BTreeMap::new();
        for read in reads {
            let kept = furthest.entry((read.user_id, read.chat_id)).or_insert(*read);
            kept.seq = kept.seq.max(read.seq);
        }
        let reads: Vec<ReadUpTo> = furthest.into_values().collect();
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let moved = store::move_cursors(&mut conn, &reads, now, cue_times(now)).await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "read").increment(moved.cancelled_count as u64);
        if moved.cued_count > 0 {
            self.bells.ring_for_cues();
        }
        Ok(())
    }
}
