use std::collections::HashMap;
use std::time::Duration;

use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, Seq};
use godwit_pg::{self as pg, Connection, Pool};
use prost::Message as _;
use uuid::Uuid;

use super::publisher::{Committed, CommittedBatch, Publisher};
use crate::domain::Headers;
use crate::events::outgoing;
use crate::store::{self, Backlog, Lease, OutboxBatch, StoredPayload, Sweep};

/// Batches taken at once: their updates are in memory together.
const BATCHES_MAX: u32 = 16;
/// A replica that stops sweeping is replaced after this time; batches become due 2 s after their commit, so nobody
/// waits for it.
const LEASE_TTL: Duration = Duration::from_secs(1);

/// Publishes what nobody got through: batches that are still in the outbox 2 s after their commit, because their process
/// died, a queue was full or the stream is down.
pub struct Sweeper {
    /// The service's database.
    pub pool: Pool,
    /// Takes what is found.
    pub publisher: Publisher,
    /// A random name of this replica.
    pub holder: Uuid,
}

impl Sweeper {
    /// Looks once, and tells whether there is more to find.
    ///
    /// What is found for the first time goes to live and to the stream, as it was committed. It goes to the stream again
    /// after growing pauses until it is gone, as far as the stream's queue has room: while the stream is down nothing is
    /// taken in vain.
    ///
    /// # Errors
    /// When the database does.
    pub async fn sweep(&self) -> Result<bool, pg::Error> {
        let mut conn = self.pool.get().await?;
        if !store::renew_lease(&mut conn, Lease { holder: self.holder, ttl: LEASE_TTL }).await? {
            return Ok(false);
        }
        let first = store::claim_batches(&mut conn, Sweep::First, BATCHES_MAX).await?;
        let mut has_more = count("first", first.len());
        for batch in self.load(&mut conn, first).await? {
            self.publisher.publish(batch);
        }
        let places = u32::try_from(self.publisher.stream_places()).unwrap_or(u32::MAX);
        if places > 0 {
            let again = store::claim_batches(&mut conn, Sweep::Again, places.min(BATCHES_MAX)).await?;
            has_more |= count("again", again.len());
            for batch in self.load(&mut conn, again).await? {
                self.publisher.publish_to_stream(batch);
            }
        }
        Ok(has_more)
    }

    /// The updates of batches as they are stored now. A batch of which the log has nothing any more is forgotten.
    async fn load(&self, conn: &mut Connection, batches: Vec<OutboxBatch>) -> Result<Vec<CommittedBatch>, pg::Error> {
        let addresses: Vec<(ChatId, Seq)> = batches.iter().flat_map(|batch| batch.addresses.iter().copied()).collect();
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let mut payloads = store::stored_payloads(conn, &addresses).await?;
        let (gone, loaded): (Vec<_>, Vec<_>) = batches
            .into_iter()
            .map(|batch| committed(batch, &mut payloads))
            .partition(|batch| batch.updates.is_empty());
        if !gone.is_empty() {
            let gone: Vec<Uuid> = gone.into_iter().map(|batch| batch.batch_id).collect();
            store::forget_batches(conn, &gone).await?;
        }
        Ok(loaded)
    }

    /// What waits for the stream now.
    ///
    /// # Errors
    /// When the database does.
    pub async fn backlog(&self) -> Result<Backlog, pg::Error> {
        let mut conn = self.pool.get().await?;
        store::backlog(&mut conn).await
    }
}

/// Whether there may be more.
fn count(sweep: &'static str, batches: usize) -> bool {
    metrics::counter!("godwit_message_swept_total", "sweep" => sweep).increment(batches as u64);
    u32::try_from(batches).is_ok_and(|batches| batches == BATCHES_MAX)
}

fn committed(batch: OutboxBatch, stored: &mut HashMap<(ChatId, Seq), StoredPayload>) -> CommittedBatch {
    let updates = batch.addresses.into_iter().filter_map(|address| {
        let StoredPayload { payload, hidden_until_seq } = stored.remove(&address)?;
        // The stored bytes were encoded by this service; those of another version still decode.
        let update = pb::Update::decode(payload.clone()).unwrap_or_default();
        Some(Committed {
            chat_id: address.0,
            seq: address.1,
            payload,
            headers: Headers::new(),
            // By now people may follow the chat who may not see it.
            is_for_some: address.1 < hidden_until_seq || outgoing::tells_of_before(&update, hidden_until_seq),
            announced_to: outgoing::announced_to(&update),
            // Whoever had it appended asks again and has it told then; this late they may be members again.
            left: Vec::new(),
            taken: None,
        })
    });
    CommittedBatch { batch_id: batch.batch_id, updates: updates.collect() }
}
