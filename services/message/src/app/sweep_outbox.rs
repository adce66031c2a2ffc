use std::time::Duration;

use godwit_contract::v1 as pb;
use godwit_pg::{self as pg, Pool};
use prost::Message as _;
use uuid::Uuid;

use super::publisher::{Committed, Publisher};
use crate::events::outgoing;
use crate::store::{self, Backlog, Lease, OutboxRow, Sweep};

/// Rows taken at once for the first time.
const FIRST_MAX: u32 = 500;
/// Rows taken again by one look: what the stream has and its reader is late with must not be published without end.
const AGAIN_MAX: u32 = 1_000;
/// A replica that stops sweeping is replaced after this time; rows become due 2 s after their commit, so nobody
/// waits for it.
const LEASE_TTL: Duration = Duration::from_secs(1);

/// Publishes what nobody got through: rows that are still in the outbox 2 s after their commit, because their process
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
    /// Looks once, and tells whether there is more to find for the first time.
    ///
    /// What is found for the first time goes to live and to the stream, in seq order within a chat. It goes to the
    /// stream again after growing pauses until it is gone, as far as the stream's queue has room: while the stream is
    /// down nothing is taken in vain.
    ///
    /// # Errors
    /// When the database does.
    pub async fn sweep(&self) -> Result<bool, pg::Error> {
        let mut conn = self.pool.get().await?;
        if !store::renew_lease(&mut conn, Lease { holder: self.holder, ttl: LEASE_TTL }).await? {
            return Ok(false);
        }
        let first = store::claim_outbox(&mut conn, Sweep::First, FIRST_MAX).await?;
        let has_more = count("first", first.len()) == FIRST_MAX;
        self.publisher.publish(first.into_iter().map(committed).collect());

        let places = u32::try_from(self.publisher.stream_places()).unwrap_or(u32::MAX);
        if places > 0 {
            let again = store::claim_outbox(&mut conn, Sweep::Again, places.min(AGAIN_MAX)).await?;
            count("again", again.len());
            self.publisher.publish_to_stream(again.into_iter().map(committed).collect());
        }
        Ok(has_more)
    }

    /// How much waits in the outbox now.
    ///
    /// # Errors
    /// When the database does.
    pub async fn backlog(&self) -> Result<Backlog, pg::Error> {
        let mut conn = self.pool.get().await?;
        store::backlog(&mut conn).await
    }
}

fn count(sweep: &'static str, rows: usize) -> u32 {
    metrics::counter!("godwit_message_swept_total", "sweep" => sweep).increment(rows as u64);
    u32::try_from(rows).unwrap_or(u32::MAX)
}

fn committed(row: OutboxRow) -> Committed {
    // The stored bytes were encoded by this service; those of another version still decode.
    let update = pb::Update::decode(row.payload.clone()).unwrap_or_default();
    Committed {
        chat_id: row.chat_id,
        seq: row.seq,
        payload: row.payload,
        headers: row.headers,
        announced_to: outgoing::announced_to(&update),
        // Whoever had it appended asks again and has it told then; this late they may be members again.
        left: Vec::new(),
        taken: None,
    }
}
