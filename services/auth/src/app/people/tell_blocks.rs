use super::super::App;
use crate::Error;
use crate::domain::{Pair, Relationship};

/// Pairs that are told of in one round of the worker, and failures after which the rest of it waits for the next.
const ROUND: i64 = 100;
const FAILURES_MAX: usize = 5;

/// What a round of telling came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Where the next round begins; `None` when this one was at the end.
    pub next: Option<Pair>,
    /// Of how many pairs the chat service could not be told.
    pub failure_count: usize,
}

impl App {
    /// Has the chat service know of a pair's blocks, unless it does.
    pub(super) async fn tell_block(&self, pair: Pair, relationship: &Relationship) -> Result<(), Error> {
        if relationship.told_block_version >= relationship.block_version {
            return Ok(());
        }
        let told = self.chats.set_direct_block(pair, relationship).await;
        let outcome = if told.is_ok() { "ok" } else { "failed" };
        metrics::counter!("godwit_auth_blocks_told_total", "outcome" => outcome).increment(1);
        told.map_err(Error::BlockNotReady)?;
        // The chat service knows, which is what was promised; that it was told is noted by the worker's next round.
        if let Err(error) = self.store.block_told(pair, relationship.block_version).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a block that was told could not be noted");
        }
        Ok(())
    }

    /// Tells the chat service of blocks whose calls could not, behind a pair in id order. The next round
    /// goes on behind those that failed, so none holds up the others.
    ///
    /// # Errors
    /// When the database does.
    pub async fn tell_untold_blocks(&self, after: Option<Pair>) -> Result<Told, Error> {
        let untold = self.store.untold_blocks(after, ROUND).await?;
        let is_full = i64::try_from(untold.len()).unwrap_or(i64::MAX) >= ROUND;
        let next = untold.last().filter(|_| is_full).map(|(pair, _)| *pair);
        let mut failure_count = 0;
        for (pair, relationship) in &untold {
            if let Err(error) = self.tell_block(*pair, relationship).await {
                failure_count += 1;
                tracing::warn!(error = &error as &dyn std::error::Error, "a block could not be told");
                if failure_count == FAILURES_MAX {
                    return Ok(Told { next: Some(*pair), failure_count });
                }
            }
        }
        Ok(Told { next, failure_count })
    }
}
