use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_rpc::ServiceError as _;
use tonic::Code;

use super::App;
use super::schedule_message::count;
use super::send_message::SendMessage;
use crate::domain::{Attempt, Message, Scheduled};
use crate::error::Error;
use crate::store::{self, DueMessage, Settled, Tried, UntoldChange};
use crate::wire::encode_entities;

/// Messages that are claimed at once.
const CLAIMED_MAX: i64 = 256;
/// Senders and chats that are served at once.
const PARALLEL_MAX: usize = 16;
/// What can still not be sent so long after it was due is given up, with the reason why.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60 * 60);
/// How long a message that could not be sent waits for its next try at first, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A try that fails in a way that nobody foresaw is made so often.
const UNFORESEEN_MAX: i32 = 5;

/// What became of a round.
pub struct SentDue {
    /// Changes of what people have scheduled, of which their devices are to be told.
    pub untold: Vec<UntoldChange>,
    /// There may be more that is due.
    pub has_more: bool,
}

impl App {
    /// Sends what is due. Each message goes under a name of its own, so however many replicas try and die, it is sent
    /// once.
    ///
    /// # Errors
    /// When the database does.
    pub async fn send_due(&self) -> Result<SentDue, Error> {
        let mut conn = self.pool.get().await?;
        let claimed = store::claim_due_messages(&mut conn, CLAIMED_MAX).await?;
        drop(conn);
        let has_more = i64::try_from(claimed.len()).is_ok_and(|count| count == CLAIMED_MAX);
        // Those of one person to one chat go in their order.
        let mut groups: BTreeMap<(ChatId, UserId), Vec<DueMessage>> = BTreeMap::new();
        for due in claimed {
            groups.entry((due.scheduled.chat_id, due.scheduled.sender_id)).or_default().push(due);
        }
        let sends = groups.into_iter().map(|((chat_id, sender), group)| self.send_group(chat_id, sender, group));
        let results: Vec<Result<Option<UntoldChange>, Error>> =
            futures_util::stream::iter(sends).buffer_unordered(PARALLEL_MAX).collect().await;
        let untold = results.into_iter().collect::<Result<Vec<_>, Error>>()?;
        Ok(SentDue { untold: untold.into_iter().flatten().collect(), has_more })
    }

    async fn send_group(
        &self,
        chat_id: ChatId,
        sender_id: UserId,
        group: Vec<DueMessage>,
    ) -> Result<Option<UntoldChange>, Error> {
        let sends = group.iter().map(|due| send_of(&due.scheduled)).collect();
        let results = self.send_messages(sender_id, sends).await;
        let event_id = EventId::generate(&*self.clock, &*self.entropy);
        let mut tried: Vec<Tried> = Vec::with_capacity(group.len());
        for (due, result) in group.iter().zip(results) {
            let settled = match self.judge(due, result).await? {
                Attempt::Sent => {
                    metrics::histogram!("godwit_message_scheduled_late_seconds").record(due.late);
                    Settled::Ended(event_id)
                }
                Attempt::Refused(reason) => Settled::Failed(reason, event_id),
                Attempt::Postponed(pause) => Settled::Released(pause),
                Attempt::Unknown => continue,
            };
            tried.push(Tried { chat_id, id: due.scheduled.id, attempt: due.attempt, settled });
        }
        let mut conn = self.pool.get().await?;
        store::settle_scheduled(&mut conn, &tried).await?;
        let is_changed = tried.iter().any(|tried| !matches!(tried.settled, Settled::Released(_)));
        Ok(is_changed.then_some(UntoldChange { sender_id, chat_id, event_id }))
    }

    async fn judge(&self, due: &DueMessage, result: Result<Message, Error>) -> Result<Attempt, Error> {
        let attempt = match result {
            Ok(_) => Attempt::Sent,
            Err(error) => attempt_of(&error, due),
        };
        let attempt = match attempt {
            // What is refused now, such as an answer to what is gone, a replica that died may have sent before.
            Attempt::Refused(_) if due.attempt > 1 && self.is_sent(&due.scheduled).await? => Attempt::Sent,
            attempt => attempt,
        };
        count(match &attempt {
            Attempt::Sent => "sent",
            Attempt::Refused(_) => "refused",
            Attempt::Postponed(_) => "postponed",
            Attempt::Unknown => "unknown",
        });
        Ok(attempt)
    }

    async fn is_sent(&self, scheduled: &Scheduled) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::is_scheduled_sent(&mut conn, scheduled).await?)
    }
}

fn send_of(scheduled: &Scheduled) -> SendMessage {
    let content = &scheduled.content;
    SendMessage {
        chat_id: scheduled.chat_id.to_string(),
        client_message_id: scheduled.id.client_message_id().as_str().to_owned(),
        text: content.text.as_str().to_owned(),
        entities: encode_entities(&content.entities),
        media_ids: content.media_ids.iter().map(ToString::to_string).collect(),
        reply_to_message_id: content.reply_to.map(|id| id.to_string()).unwrap_or_default(),
        is_silent: content.is_silent,
    }
}

/// How long a message waits for its next try, so that one that cannot be sent now does not stand before those that can.
fn pause(attempt: i32) -> Duration {
    let doublings = attempt.clamp(1, 16).unsigned_abs() - 1;
    PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

/// What a refusal means for the message.
fn attempt_of(error: &Error, due: &DueMessage) -> Attempt {
    let attempt = match error {
        // Two that are due within a chat's pause follow each other by it.
        Error::SlowMode { retry_after } => Attempt::Postponed(*retry_after),
        // Nothing was written.
        Error::Overloaded | Error::LogNotReady | Error::MembersChanging => Attempt::Postponed(pause(due.attempt)),
        Error::Chats(_) | Error::Media(_) if error.code() == Code::Unavailable => {
            Attempt::Postponed(pause(due.attempt))
        }
        // It may be written all the same: until that is known nobody may change it.
        Error::Stopping | Error::AppendUnavailable => return Attempt::Unknown,
        Error::Database(_) if error.code() == Code::Unavailable => return Attempt::Unknown,
        _ if error.code() == Code::Internal && due.attempt < UNFORESEEN_MAX => {
            tracing::warn!(error = error as &dyn std::error::Error, "a scheduled message could not be sent");
            return Attempt::Unknown;
        }
        _ => return Attempt::Refused(error.reason()),
    };
    if due.late > GIVEN_UP_AFTER { Attempt::Refused(error.reason()) } else { attempt }
}
