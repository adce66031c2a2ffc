use std::sync::Arc;

use bytes::Bytes;
use godwit_events::{EventLog, NewRecord, topics};
use godwit_pg::Pool;

use crate::error::Error;
use crate::store::{self, UnpublishedReport};

/// Reports that are told at once.
const ROUND: i64 = 100;

/// Tells moderators of reports, and forgets what was reported once they are told.
pub struct ReportPublisher {
    /// The service's database.
    pub pool: Pool,
    /// The stream.
    pub events: Arc<dyn EventLog>,
}

impl ReportPublisher {
    /// Tells of the oldest reports; whether there may be more. Two replicas may tell of the same one: readers know it by
    /// its event id.
    ///
    /// # Errors
    /// When the database or the stream does.
    pub async fn publish(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let reports = store::unpublished_reports(&mut conn, ROUND).await?;
        drop(conn);
        if reports.is_empty() {
            return Ok(false);
        }
        self.events.publish(reports.iter().map(record).collect()).await.map_err(Error::Stream)?;
        let mut conn = self.pool.get().await?;
        store::reports_published(&mut conn, &reports).await?;
        metrics::counter!("godwit_message_reports_total", "outcome" => "published").increment(reports.len() as u64);
        Ok(i64::try_from(reports.len()).is_ok_and(|count| count == ROUND))
    }
}

fn record(report: &UnpublishedReport) -> NewRecord {
    NewRecord::new(&topics::MODERATION, Bytes::copy_from_slice(report.chat_id.as_bytes()), report.payload.clone())
}
