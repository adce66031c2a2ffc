use godwit_pg::Connection;
use time::OffsetDateTime;

use super::settle::note;
use super::{App, CueTelling};
use crate::domain::{Breaker, Scope, Verdict, pause_before};
use crate::error::Error;
use crate::store::{self, Cue};

impl App {
    /// Keeps how a try to tell of a cue ended, and what that says of the push service.
    ///
    /// # Errors
    /// The database's; the cue is then due again when its claim ends.
    pub async fn settle_cue(
        &self,
        telling: &CueTelling,
        verdict: &Verdict,
        breaker: &mut Breaker,
    ) -> Result<(), Error> {
        note(breaker, verdict, self);
        let cue = &telling.cue;
        let (now, mut outcome) = (self.clock.now(), "sent");
        let mut conn = self.pool.get().await?;
        match verdict {
            Verdict::Accepted { .. } => store::finish_cue(&mut conn, cue, now).await?,
            Verdict::Gone { since } => outcome = self.settle_gone(&mut conn, cue, *since).await?,
            Verdict::Refused(cause) => {
                outcome = "refused";
                tracing::warn!(device.id = %cue.address.device_id, cause, "a push service refuses a cue");
                store::finish_cue(&mut conn, cue, now).await?;
            }
            // Not the cue failed, but the push service. That it was tried stays known: a phone that may ring is to stop.
            Verdict::Later { scope: Scope::Provider, .. } if breaker.is_open() => {
                outcome = "postponed";
                store::postpone_cue(&mut conn, cue, (cue.attempt - 1).max(1), now).await?;
            }
            Verdict::Later { retry_after, .. } => match pause_before(cue.attempt, *retry_after, &*self.entropy) {
                Some(pause) => {
                    outcome = "postponed";
                    store::postpone_cue(&mut conn, cue, cue.attempt, now + pause).await?;
                }
                None => {
                    outcome = "given_up";
                    store::finish_cue(&mut conn, cue, now).await?;
                }
            },
        }
        let provider = cue.address.provider.as_str();
        metrics::counter!("godwit_push_cues_total", "provider" => provider, "outcome" => outcome).increment(1);
        Ok(())
    }

    /// Without its address for calls a device is told by the common one: somebody is waiting. Tells how it ended.
    async fn settle_gone(
        &self,
        conn: &mut Connection,
        cue: &Cue,
        since: Option<OffsetDateTime>,
    ) -> Result<&'static str, Error> {
        let now = self.clock.now();
        let count = store::delete_address(conn, &cue.address, since).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "gone").increment(count as u64);
        if store::readdress_cue(conn, cue, now).await? > 0 {
            self.bells.ring_for_cues();
            return Ok("readdressed");
        }
        // Where another address took its place meanwhile, that one is tried.
        let pause = if count == 0 { pause_before(cue.attempt, None, &*self.entropy) } else { None };
        let Some(pause) = pause else {
            store::finish_cue(conn, cue, now).await?;
            return Ok("gone");
        };
        store::postpone_cue(conn, cue, cue.attempt, now + pause).await?;
        Ok("postponed")
    }
}
