use super::{App, Telling};
use crate::domain::{Delivery, Verdict, pause_before};
use crate::error::Error;
use crate::store::{self, Settlement};

impl App {
    /// Makes a claimed try and keeps how it ended.
    ///
    /// # Errors
    /// The database's; the delivery is then due again when its claim ends.
    #[tracing::instrument(
        name = "push.deliver", skip_all, err(level = "debug"),
        fields(device.id = %telling.delivery.device_id, message.id = %telling.delivery.message_id())
    )]
    pub async fn deliver(&self, telling: &Telling) -> Result<(), Error> {
        let Telling { delivery, payload } = telling;
        let now = self.clock.now();
        if delivery.expires_at <= now {
            return self.settle(delivery, Settlement::Failed, "expired").await;
        }
        let key = self.vapid_key().await?;
        let started = tokio::time::Instant::now();
        let verdict = self.push.send(delivery, payload, &key, now).await;
        metrics::histogram!("godwit_push_send_seconds").record(started.elapsed());
        match verdict {
            Verdict::Accepted => self.settle(delivery, Settlement::Sent, "sent").await,
            Verdict::Gone => self.drop_subscription(delivery).await,
            Verdict::Refused(cause) => {
                tracing::warn!(device.id = %delivery.device_id, cause, "a push service refuses a notification");
                self.settle(delivery, Settlement::Failed, "refused").await
            }
            Verdict::Later { retry_after, cause } => {
                tracing::debug!(cause, attempt = delivery.attempt, "a notification was not taken now");
                match pause_before(delivery.attempt, retry_after, &*self.entropy) {
                    Some(pause) => {
                        self.settle(delivery, Settlement::Postponed(self.clock.now() + pause), "postponed").await
                    }
                    None => self.settle(delivery, Settlement::Failed, "given_up").await,
                }
            }
        }
    }

    async fn settle(&self, delivery: &Delivery, settlement: Settlement, outcome: &'static str) -> Result<(), Error> {
        metrics::counter!("godwit_push_deliveries_total", "outcome" => outcome).increment(1);
        let mut conn = self.pool.get().await?;
        Ok(store::settle(&mut conn, delivery, settlement).await?)
    }

    async fn drop_subscription(&self, delivery: &Delivery) -> Result<(), Error> {
        metrics::counter!("godwit_push_deliveries_total", "outcome" => "gone").increment(1);
        let mut conn = self.pool.get().await?;
        let count = store::delete_at_endpoint(&mut conn, delivery.device_id, &delivery.endpoint).await?;
        metrics::counter!("godwit_push_subscriptions_total", "change" => "gone").increment(count as u64);
        Ok(())
    }
}
