use async_trait::async_trait;
use godwit_contract::call::v1::EndSessionRequest;
use godwit_contract::call::v1::call_internal_service_client::CallInternalServiceClient;
use godwit_contract::events::v1::SecurityEvent;
use godwit_contract::events::v1::security_event::Event;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{SessionId, UserId};
use godwit_rpc::{Directory, Target};
use prost::Message as _;

const MAX_BATCH: usize = 200;

/// The readers that end the calls of sessions that ended.
pub fn security_group() -> ConsumerGroup {
    ConsumerGroup { name: "call.security", topics: vec![&topics::SECURITY], max_batch: MAX_BATCH }
}

/// Takes sessions that ended, and has the leader hang up for them: whoever reads the stream need not lead.
pub struct SecurityHandler {
    directory: Directory,
}

impl SecurityHandler {
    /// One that calls the leader over this directory.
    pub const fn new(directory: Directory) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl BatchHandler for SecurityHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        for (index, record) in batch.iter().enumerate() {
            let ended = ended_session(record).map_err(|reason| BatchError::Poison { index, reason: reason.into() })?;
            let Some((user_id, session_id)) = ended else { continue };
            let request = EndSessionRequest { user_id: user_id.to_string(), session_id: session_id.to_string() };
            let mut client = CallInternalServiceClient::new(self.directory.channel(Target::Call));
            client.end_session(request).await.map_err(BatchError::retry)?;
        }
        Ok(())
    }
}

/// The session that an event says is over; `None` for all other events, also of kinds yet to come.
fn ended_session(record: &Record) -> Result<Option<(UserId, SessionId)>, &'static str> {
    let event = SecurityEvent::decode(record.payload.clone()).map_err(|_| "not an encoded SecurityEvent")?;
    let Some(Event::SessionEnded(ended)) = event.event else { return Ok(None) };
    let user_id = event.user_id.parse().map_err(|_| "the event names no user")?;
    let session_id = ended.session_id.parse().map_err(|_| "the event names no session")?;
    Ok(Some((user_id, session_id)))
}
