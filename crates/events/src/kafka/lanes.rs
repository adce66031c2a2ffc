//! The partitions that a consumer holds now, each with its bounded buffer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::Record;

/// A partition: the topic's name without prefix, and the number.
pub(super) type Key = (&'static str, i32);

/// The bytes after which a buffer is full, whatever the number of its records.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// A buffer is full at this many batches.
const BUFFER_BATCHES_MAX: usize = 2;

/// One partition.
struct Lane {
    waiting: VecDeque<Record>,
    waiting_bytes: usize,
    /// When the first of the waiting records came.
    since: Instant,
    /// Set while a batch is being handled.
    task: Option<AbortHandle>,
    /// Tells the task of this assignment from that of an earlier assignment of the same partition.
    epoch: u64,
    paused: bool,
}

/// What the broker must be told about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Send no more.
    Pause,
    /// Send again.
    Resume,
    /// Go on.
    Unchanged,
}

/// A batch to hand over.
pub(super) struct Batch {
    pub key: Key,
    pub epoch: u64,
    pub records: Vec<Record>,
}

pub(super) struct Lanes {
    lanes: HashMap<Key, Lane>,
    epoch: u64,
    max_batch: usize,
    fill_wait: Duration,
}

impl Lanes {
    pub(super) fn new(max_batch: usize, fill_wait: Duration) -> Self {
        Self { lanes: HashMap::new(), epoch: 0, max_batch: max_batch.max(1), fill_wait }
    }

    /// Takes a record that was read.
    pub(super) fn push(&mut self, record: Record) -> Flow {
        let lane = self.lanes.entry((record.topic, record.partition)).or_insert_with(|| {
            self.epoch += 1;
            Lane {
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                since: Instant::now(),
                task: None,
                epoch: self.epoch,
                paused: false,
            }
        });
        if lane.waiting.is_empty() {
            lane.since = Instant::now();
        }
        lane.waiting_bytes += record.size_bytes();
        lane.waiting.push_back(record);
        if !lane.paused && lane.is_full(self.max_batch) {
            lane.paused = true;
            return Flow::Pause;
        }
        Flow::Unchanged
    }

    /// The partitions whose next batch should be handed over now, and when to ask again if nothing happens.
    pub(super) fn ready(&self) -> (Vec<Key>, Option<Instant>) {
        let now = Instant::now();
        let mut keys = Vec::new();
        let mut next: Option<Instant> = None;
        for (key, lane) in &self.lanes {
            if lane.task.is_some() || lane.waiting.is_empty() {
                continue;
            }
            let due = lane.since + self.fill_wait;
            if lane.waiting.len() >= self.max_batch || due <= now {
                keys.push(*key);
            } else {
                next = Some(next.map_or(due, |earlier| earlier.min(due)));
            }
        }
        (keys, next)
    }

    /// Takes the next batch out of a buffer.
    pub(super) fn take(&mut self, key: Key) -> Option<(Batch, Flow)> {
        let lane = self.lanes.get_mut(&key)?;
        let count = lane.waiting.len().min(self.max_batch);
        let records: Vec<Record> = lane.waiting.drain(..count).collect();
        lane.waiting_bytes = lane.waiting.iter().map(Record::size_bytes).sum();
        let flow = if lane.paused && !lane.is_full(self.max_batch) {
            lane.paused = false;
            Flow::Resume
        } else {
            Flow::Unchanged
        };
        Some((Batch { key, epoch: lane.epoch, records }, flow))
    }

    /// Notes the task that handles a partition's batch.
    pub(super) fn started(&mut self, key: Key, task: AbortHandle) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.task = Some(task);
        }
    }

    /// Notes that the task ended; false when the partition has been lost since it began.
    pub(super) fn ended(&mut self, key: Key, epoch: u64) -> bool {
        match self.lanes.get_mut(&key) {
            Some(lane) if lane.epoch == epoch => {
                lane.task = None;
                true
            }
            _ => false,
        }
    }

    /// Forgets a partition that is lost, with the batch that is being handled.
    pub(super) fn remove(&mut self, key: Key) {
        if let Some(task) = self.lanes.remove(&key).and_then(|lane| lane.task) {
            task.abort();
        }
    }
}

impl Lane {
    fn is_full(&self, max_batch: usize) -> bool {
        self.waiting.len() >= max_batch * BUFFER_BATCHES_MAX || self.waiting_bytes >= BUFFER_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::OffsetDateTime;

    use super::*;

    fn record(partition: i32, offset: i64, bytes: usize) -> Record {
        Record {
            topic: "t",
            partition,
            offset,
            key: Bytes::new(),
            payload: vec![0; bytes].into(),
            headers: Vec::new(),
            published_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_full_buffer_is_paused_once_and_resumed_when_it_has_room() {
        let mut lanes = Lanes::new(2, Duration::ZERO);
        let flows: Vec<Flow> = (0..5).map(|offset| lanes.push(record(0, offset, 1))).collect();
        assert_eq!(flows, [Flow::Unchanged, Flow::Unchanged, Flow::Unchanged, Flow::Pause, Flow::Unchanged]);
        let (batch, flow) = lanes.take(("t", 0)).unwrap();
        assert_eq!((batch.records.len(), flow), (2, Flow::Resume));
    }

    #[test]
    fn large_records_fill_a_buffer_before_their_number_does() {
        let mut lanes = Lanes::new(1_000, Duration::ZERO);
        assert_eq!(lanes.push(record(0, 0, BUFFER_BYTES_MAX / 2)), Flow::Unchanged);
        assert_eq!(lanes.push(record(0, 1, BUFFER_BYTES_MAX / 2)), Flow::Pause);
    }

    #[test]
    fn a_batch_waits_for_more_unless_it_is_full() {
        let mut lanes = Lanes::new(2, Duration::from_secs(3_600));
        lanes.push(record(0, 0, 1));
        lanes.push(record(1, 0, 1));
        lanes.push(record(1, 1, 1));
        let (keys, next) = lanes.ready();
        assert_eq!(keys, [("t", 1)]);
        assert!(next.is_some());
    }

    #[test]
    fn the_end_of_a_batch_of_an_earlier_assignment_is_told_apart() {
        let mut lanes = Lanes::new(2, Duration::ZERO);
        lanes.push(record(0, 0, 1));
        let (batch, _) = lanes.take(("t", 0)).unwrap();
        lanes.remove(("t", 0));
        lanes.push(record(0, 0, 1));
        assert!(!lanes.ended(("t", 0), batch.epoch));
    }
}
