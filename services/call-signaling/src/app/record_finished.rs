use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use godwit_contract::events::v1::CallEvent;
use godwit_events::{NewRecord, topics};
use godwit_kernel::{CallId, EventId};
use godwit_pg as pg;
use prost::Message as _;
use tonic::Code;

use super::App;
use crate::Error;
use crate::domain::{Call, Command};
use crate::events::outgoing::encode_call;
use crate::store;

/// The most calls recorded in one transaction.
const BATCH: usize = 200;
/// The most logs of chats that are told at once: those that come together share a commit there.
const LOGS_AT_ONCE: usize = 32;

impl App {
    /// Puts calls that are over into the history and into the stream, in one transaction, then into the logs of their chats,
    /// and then lets the machine forget them. For the leader; what a crash interrupts is done again, once in effect.
    ///
    /// # Errors
    /// When the database, the message service or the group does not answer; what could not be told stays in the machine.
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
            let (told, failure) = self.tell_chats(&over).await;
            self.node.propose(Command::Forget { call_ids: told.into_iter().collect() }).await?;
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
    }

    async fn record(&self, over: &[Call]) -> Result<(), pg::Error> {
        let mut connection = self.pool.get().await?;
        store::record(&mut connection, over.iter().map(|call| (call, self.event(call))).collect()).await
    }

    /// Which calls the logs of their chats tell of now, and why the others cannot yet.
    async fn tell_chats(&self, over: &[Call]) -> (HashSet<CallId>, Option<Error>) {
        let asks: Vec<_> = over.iter().map(|call| self.tell_chat(call)).collect();
        let mut outcomes = stream::iter(asks).buffer_unordered(LOGS_AT_ONCE);
        let (mut told, mut failure) = (HashSet::new(), None);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(id) => _ = told.insert(id),
                Err(error) => failure = Some(error),
            }
        }
        (told, failure)
    }

    async fn tell_chat(&self, call: &Call) -> Result<CallId, Error> {
        // A release before this one did not ask for the chat.
        let Some(chat_id) = call.chat_id else { return Ok(call.id) };
        match self.logs.append(chat_id, encode_call(call)).await {
            Ok(()) => Ok(call.id),
            // It will be refused for ever, such as by a chat that is gone: the history has the call.
            Err(status) if matches!(status.code(), Code::InvalidArgument | Code::NotFound) => {
                metrics::counter!("call_logs_refused_total").increment(1);
                tracing::error!(call.id = %call.id, code = ?status.code(), "the log of a chat does not take a call");
                Ok(call.id)
            }
            Err(status) => Err(status.into()),
        }
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
