use std::time::Duration;

use super::{App, Telling, cue_times};
use crate::domain::{Admission, Breaker, Delivery, Provider, Scope, Verdict, pause_before};
use crate::error::Error;
use crate::store::{self, End, Transactional as _};

/// A try that was made.
pub struct Tried {
    /// Which.
    pub telling: Telling,
    /// How it ended.
    pub verdict: Verdict,
}

impl App {
    /// Keeps how tries at one push service ended, and what that says of it. May be called again with the same when it fails.
    ///
    /// # Errors
    /// The database's; the deliveries are then due again when their claims end.
    pub async fn settle(&self, provider: Provider, tried: &[Tried], breaker: &mut Breaker) -> Result<(), Error> {
        for one in tried {
            note(breaker, &one.verdict, self);
        }
        let is_up = breaker.admission(self.clock.now()) == Admission::All;
        let (mut ended, mut untried) = (Vec::new(), Vec::new());
        for Tried { telling, verdict } in tried {
            let delivery = &telling.delivery;
            match verdict {
                Verdict::Accepted { .. } => ended.push((delivery, End::Sent, "sent")),
                // Where another address took its place meanwhile, that one is tried.
                Verdict::Gone { since } => match self.drop_address(delivery, *since).await? {
                    0 => ended.extend(self.postpone(delivery, None).await?),
                    _ => ended.push((delivery, End::Failed, "gone")),
                },
                Verdict::Refused(cause) => {
                    tracing::warn!(device.id = %delivery.address.device_id, cause, "a push service refuses a notification");
                    ended.push((delivery, End::Failed, "refused"));
                }
                // Not the delivery failed, but the push service.
                Verdict::Later { scope: Scope::Provider, .. } if !is_up => untried.push(delivery),
                Verdict::Later { retry_after, cause, .. } => {
                    tracing::debug!(cause, attempt = delivery.attempt, "a notification was not taken now");
                    ended.extend(self.postpone(delivery, *retry_after).await?);
                }
            }
        }
        self.finish(provider, &ended, &untried).await?;
        for Tried { telling, .. } in tried.iter().filter(|one| matches!(one.verdict, Verdict::Accepted { .. })) {
            let age = (self.clock.now() - telling.sent_at).as_seconds_f64();
            metrics::histogram!("godwit_push_age_seconds", "provider" => provider.as_str()).record(age.max(0.0));
        }
        Ok(())
    }

    async fn finish(
        &self,
        provider: Provider,
        ended: &[(&Delivery, End, &'static str)],
        untried: &[&Delivery],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        if !untried.is_empty() {
            store::release(&mut conn, untried, now).await?;
        }
        if !ended.is_empty() {
            let sent: Vec<&Delivery> =
                ended.iter().filter(|(_, end, _)| *end == End::Sent).map(|(delivery, ..)| *delivery).collect();
            let cued = conn
                .transaction::<_, Error, _>(async |conn| {
                    store::finish(conn, ended, now).await?;
                    match provider {
                        Provider::Web => Ok(0),
                        Provider::Apns | Provider::Fcm => Ok(store::cue_overtaken(conn, &sent, cue_times(now)).await?),
                    }
                })
                .await?;
            if cued > 0 {
                self.bells.ring_for_cues();
            }
        }
        for (.., outcome) in ended {
            count(provider, outcome, 1);
        }
        count(provider, "released", untried.len() as u64);
        Ok(())
    }

    /// How it ended, if there is no further try.
    async fn postpone<'a>(
        &self,
        delivery: &'a Delivery,
        retry_after: Option<Duration>,
    ) -> Result<Option<(&'a Delivery, End, &'static str)>, Error> {
        let Some(pause) = pause_before(delivery.attempt, retry_after, &*self.entropy) else {
            return Ok(Some((delivery, End::Failed, "given_up")));
        };
        let mut conn = self.pool.get().await?;
        store::postpone(&mut conn, delivery, self.clock.now() + pause).await?;
        count(delivery.address.provider, "postponed", 1);
        Ok(None)
    }

    async fn drop_address(&self, delivery: &Delivery, since: Option<time::OffsetDateTime>) -> Result<usize, Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_address_of(&mut conn, delivery, since, self.clock.now()).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "gone").increment(count as u64);
        Ok(count)
    }
}

/// A push service that answers works, whatever it says of one device.
pub(super) fn note(breaker: &mut Breaker, verdict: &Verdict, app: &App) {
    match verdict {
        Verdict::Later { scope: Scope::Provider, retry_after, cause } => {
            breaker.note_failure(*retry_after, app.clock.now(), &*app.entropy);
            if breaker.is_open() {
                tracing::warn!(cause, "a push service is left alone for a while");
            }
        }
        _ => breaker.note_answer(),
    }
}

fn count(provider: Provider, outcome: &'static str, by: u64) {
    metrics::counter!("godwit_push_deliveries_total", "provider" => provider.as_str(), "outcome" => outcome)
        .increment(by);
}
