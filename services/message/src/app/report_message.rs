use godwit_kernel::{EventId, MessageId, UserId};

use super::App;
use crate::domain::{ReportComment, ReportReason};
use crate::error::Error;
use crate::store::{self, NewReport};
use crate::wire::encode_report;

/// What a person reports of a message that they can see.
#[derive(Clone, Debug)]
pub struct ReportMessage {
    /// Which.
    pub message_id: MessageId,
    /// Why.
    pub reason: ReportReason,
    /// What they say beside it.
    pub comment: ReportComment,
}

impl App {
    /// Keeps a report with the message as it is now, for moderators; they are told by a worker. Of the same person and
    /// message the first stands.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`] for what the caller cannot see; the database's.
    #[tracing::instrument(
        name = "message.report_message",
        skip_all,
        fields(chat.id = %report.message_id.chat_id, message.seq = report.message_id.seq.get()),
        err(level = "debug")
    )]
    pub async fn report_message(&self, caller: UserId, report: ReportMessage) -> Result<(), Error> {
        let ReportMessage { message_id, reason, comment } = report;
        let message = self.get_message(caller, message_id).await?;
        let (event_id, reported_at) = (EventId::generate(&*self.clock, &*self.entropy), self.clock.now());
        let payload = encode_report(event_id, reported_at, caller, (reason, &comment), &message);
        let new = NewReport { message_id, reporter_id: caller, event_id, reported_at, payload };
        let mut conn = self.pool.get().await?;
        let outcome = if store::insert_report(&mut conn, &new).await? { "kept" } else { "repeated" };
        metrics::counter!("godwit_message_reports_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}
