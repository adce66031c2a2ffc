use bytes::Bytes;
use godwit_contract::events::v1::CallEvent;
use godwit_events::{NewRecord, topics};
use godwit_kernel::{CallId, EventId};
use godwit_pg as pg;
use prost::Message as _;

use super::App;
use crate::Error;
use crate::domain::{Call, Command};
use crate::events::outgoing::encode_call;
use crate::store;

/// The most calls recorded in one transaction.
const BATCH: usize = 200;

impl App {
    /// Puts calls that are over into the history and into the stream, in one transaction, and then lets the machine
    /// forget them. For the leader; what a crash interrupts is done again, once in effect.
    ///
    /// # Errors
    /// When the database or the group does not answer; the calls stay in the machine.
    pub async fn record_finished(&self) -> Result<(), Error> {
        loop {
            let over: Vec<Call> = self
                .node
                .peek(|machine| machine.calls().filter(|call| call.state.is_over()).take(BATCH).cloned().collect());
            if over.is_empty() {
                return Ok(());
            }
            self.record(&over).await?;
            self.relay.wake();
            let call_ids = over.iter().map(|call| call.id).collect();
            self.node.propose(Command::Forget { call_ids }).await?;
        }
    }

    async fn record(&self, over: &[Call]) -> Result<(), pg::Error> {
        let mut connection = self.pool.get().await?;
        store::record(&mut connection, over.iter().map(|call| (call, self.event(call))).collect()).await
    }

    fn event(&self, call: &Call) -> NewRecord {
        let event = CallEvent {
            event_id: EventId::generate(self.clock.as_ref(), self.entropy.as_ref()).to_string(),
            occurred_at: call.ended_at.map(godwit_rpc::timestamp),
            call: Some(encode_call(call)),
        };
        NewRecord::new(&topics::CALLS, key(call.id), event.encode_to_vec())
    }
}

fn key(id: CallId) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
