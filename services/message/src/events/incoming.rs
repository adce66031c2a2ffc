//! From the stream into the sync log.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_contract::v1 as pb;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, topics};
use godwit_kernel::{ChatId, Seq};
use prost::Message as _;

use crate::app::App;

/// The most records of one batch.
const BATCH_MAX: usize = 500;

/// The readers that build the sync log.
pub fn sync_log_group() -> ConsumerGroup {
    ConsumerGroup { name: "message.sync-log", topics: vec![&topics::CHAT_UPDATES], max_batch: BATCH_MAX }
}

/// Takes updates that the stream brings back into the sync log.
pub struct SyncLogHandler(pub Arc<App>);

#[async_trait]
impl BatchHandler for SyncLogHandler {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let mut updates = Vec::with_capacity(batch.len());
        for (index, record) in batch.iter().enumerate() {
            let address =
                address_of(record).map_err(|problem| BatchError::Poison { index, reason: problem.to_owned() })?;
            updates.push(address);
        }
        self.0.log_updates(&updates).await.map_err(BatchError::retry)
    }
}

/// Which update a record is.
fn address_of(record: &Record) -> Result<(ChatId, Seq), &'static str> {
    let update = pb::Update::decode(record.payload.clone()).map_err(|_| "not an encoded godwit.v1.Update")?;
    let chat_id: ChatId = update.chat_id.parse().map_err(|_| "the update names no chat")?;
    if record.key != chat_id.as_bytes().as_slice() {
        return Err("the record's key is not the update's chat");
    }
    let seq = Seq::new(update.seq).filter(|seq| *seq > Seq::ZERO).ok_or("the update has no seq")?;
    Ok((chat_id, seq))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn record(key: &[u8], payload: Vec<u8>) -> Record {
        Record {
            topic: topics::CHAT_UPDATES.name,
            partition: 0,
            offset: 0,
            key: Bytes::copy_from_slice(key),
            payload: payload.into(),
            headers: Vec::new(),
            published_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn update(chat_id: &str, seq: u64) -> Vec<u8> {
        pb::Update { chat_id: chat_id.to_owned(), seq, ..pb::Update::default() }.encode_to_vec()
    }

    #[test]
    fn a_record_that_is_no_update_is_poison() {
        let chat = Uuid::from_u128(5);
        let text = chat.to_string();
        assert!(address_of(&record(chat.as_bytes(), update(&text, 1))).is_ok());
        for (key, payload) in [
            (chat.as_bytes().as_slice(), vec![0xff]),
            (chat.as_bytes(), update("", 1)),
            (chat.as_bytes(), update(&text, 0)),
            (chat.as_bytes(), update(&text, u64::MAX)),
            (b"another", update(&text, 1)),
        ] {
            assert!(address_of(&record(key, payload)).is_err());
        }
    }
}
