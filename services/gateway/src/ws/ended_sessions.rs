use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::Clock;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::Hub;
use crate::clients::Services;
use crate::edge::Edge;

/// How often ended sessions are asked for. The live channel is quicker, but nothing tells of a message that was lost:
/// neither a link that was down here, nor one that was down at auth. A round is one look at an index, and mostly empty.
const EVERY: Duration = Duration::from_millis(500);
/// How far each round looks back behind the last that was complete: clocks differ, and transactions commit late.
const OVERLAP: time::Duration = time::Duration::seconds(60);
/// The most pages of one round, so that a faulty answer cannot keep the gateway asking.
const PAGES_MAX: usize = 1_000;

/// Learns of sessions that ended, whatever became of the message that told it.
pub struct EndedSessions {
    hub: Arc<Hub>,
    services: Services,
    clock: Arc<dyn Clock>,
    /// When the last round began that learned everything.
    known_until: Option<OffsetDateTime>,
}

impl EndedSessions {
    /// One that knows of none: its first round asks for all whose access tokens may still be in their life.
    pub fn new(edge: &Edge) -> Self {
        let (hub, clock) = (Arc::clone(&edge.hub), Arc::clone(&edge.clock));
        Self { hub, services: edge.services.clone(), clock, known_until: None }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut rounds = interval(EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            let Some(round) = stop.run_until_cancelled(self.round()).await else { break };
            let outcome = if round.is_ok() { "complete" } else { "failed" };
            metrics::counter!("gateway_revocation_rounds_total", "outcome" => outcome).increment(1);
            if let Err(status) = round {
                tracing::debug!(code = ?status.code(), "ended sessions cannot be listed now");
            }
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<(), Status> {
        let begun_at = self.clock.now();
        let since = self.known_until.map(|instant| instant - OVERLAP);
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let page = self.services.revoked_sessions(since, after).await?;
            for session in page.sessions {
                self.hub.learn_of_end(session);
            }
            match page.next_after {
                Some(next) => after = Some(next),
                None => {
                    self.known_until = Some(begun_at);
                    return Ok(());
                }
            }
        }
        Err(Status::internal("the list of ended sessions has no end"))
    }
}
