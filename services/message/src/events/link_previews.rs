//! From the stream to the links of new and edited messages.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::Clock;
use prost::Message as _;
use time::Duration;
use tokio::sync::mpsc;

use crate::app::LinkedMessage;
use crate::domain::first_link;
use crate::wire::decode_entities;

/// The most records of one batch.
const BATCH_MAX: usize = 500;
/// Nobody waits for the preview of an older message.
const STILL_NEW: Duration = Duration::minutes(10);

/// The readers that look for links.
pub fn link_previews_group() -> ConsumerGroup {
    ConsumerGroup { name: "message.link-previews", topics: vec![&topics::CHAT_UPDATES], max_batch: BATCH_MAX }
}

/// Hands links to the workers that read pages. A preview may be lost, and never holds up the stream: what finds the queue
/// full is left away, and so is what was in it when the process ends.
pub struct LinkPreviewsHandler {
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// To the workers.
    pub queue: mpsc::Sender<LinkedMessage>,
}

#[async_trait]
impl BatchHandler for LinkPreviewsHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let oldest = self.clock.now() - STILL_NEW;
        for record in batch {
            // What is no update becomes a dead letter of those who index it.
            let Ok(update) = pb::Update::decode(record.payload.clone()) else { continue };
            let occurred_at = update.occurred_at.as_ref().and_then(godwit_rpc::instant);
            if occurred_at.is_none_or(|at| at < oldest) {
                continue;
            }
            let Some(linked) = linked_message(update) else { continue };
            if self.queue.try_send(linked).is_err() {
                metrics::counter!("godwit_message_link_previews_total", "outcome" => "queue_full").increment(1);
            }
        }
        Ok(())
    }
}

fn linked_message(update: pb::Update) -> Option<LinkedMessage> {
    let message = match update.change? {
        Change::MessageCreated(created) => created.message?,
        Change::MessageEdited(edited) => edited.message?,
        _ => return None,
    };
    if message.is_deleted {
        return None;
    }
    let entities = decode_entities(&message.entities).unwrap_or_default();
    let link = first_link(&message.text, &entities)?;
    Some(LinkedMessage { message_id: message.id.parse().ok()?, edit_count: message.edit_count, link })
}
