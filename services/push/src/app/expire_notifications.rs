use time::{Duration, OffsetDateTime};

use super::App;
use crate::domain::Provider;
use crate::error::Error;
use crate::store::{self, Backlog};

/// Records may come this much later than the messages that they tell of.
const CURSOR_SLACK: Duration = Duration::hours(1);

impl App {
    /// Gives up what is too old to be told, forgets what is too old to be known, and measures what waits.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.expire_notifications", skip_all, err(level = "debug"))]
    pub async fn expire_notifications(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let expired = store::expire(&mut conn, now).await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "expired").increment(expired as u64);
        store::delete_records(&mut conn, now - self.record_ttl).await?;
        store::delete_old_cues(&mut conn, now).await?;
        store::delete_old_cursors(&mut conn, now - self.ttl - CURSOR_SLACK).await?;
        for provider in Provider::ALL {
            show(provider, &store::backlog(&mut conn, provider, now).await?, now);
        }
        Ok(())
    }
}

fn show(provider: Provider, backlog: &Backlog, now: OffsetDateTime) {
    #[expect(clippy::cast_precision_loss, reason = "the count is bounded far below 2^52")]
    metrics::gauge!("godwit_push_backlog", "provider" => provider.as_str()).set(backlog.count as f64);
    let age = backlog.oldest_due_at.map_or(Duration::ZERO, |due_at| now - due_at);
    metrics::gauge!("godwit_push_oldest_due_seconds", "provider" => provider.as_str()).set(age.as_seconds_f64());
}
