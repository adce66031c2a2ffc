use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use redb::ReadableTable;

use super::disk::{Disk, DiskError, LOG};
use super::{Entry, LogId, NodeId, StorageError, StorageIOError, TypeConfig, Vote};

const VOTE: &str = "vote";
const PURGED: &str = "purged";

/// The Raft log and vote on disk.
#[derive(Clone)]
pub(super) struct LogStore {
    disk: Disk,
}

impl LogStore {
    pub(super) const fn new(disk: Disk) -> Self {
        Self { disk }
    }

    fn entries(&self, range: impl RangeBounds<u64>) -> Result<Vec<Entry>, DiskError> {
        let table = self.disk.begin_read()?.open_table(LOG)?;
        let mut entries = vec![];
        for row in table.range::<u64>((range.start_bound().cloned(), range.end_bound().cloned()))? {
            entries.push(serde_json::from_slice(row?.1.value())?);
        }
        Ok(entries)
    }

    fn last_entry(&self) -> Result<Option<Entry>, DiskError> {
        let table = self.disk.begin_read()?.open_table(LOG)?;
        let Some((_, bytes)) = table.last()? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(bytes.value())?))
    }

    fn insert(&self, rows: &[(u64, Vec<u8>)]) -> Result<(), DiskError> {
        let write = self.disk.begin_write()?;
        {
            let mut table = write.open_table(LOG)?;
            for (index, bytes) in rows {
                table.insert(*index, bytes.as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn remove(&self, range: (Bound<u64>, Bound<u64>)) -> Result<(), DiskError> {
        let write = self.disk.begin_write()?;
        write.open_table(LOG)?.retain_in::<u64, _>(range, |_, _| false)?;
        write.commit()?;
        Ok(())
    }
}

fn read_failed(error: DiskError) -> StorageError {
    StorageIOError::read_logs(&error).into()
}

fn write_failed(error: DiskError) -> StorageError {
    StorageIOError::write_logs(&error).into()
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        self.entries(range).map_err(read_failed)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let last_purged_log_id: Option<LogId> = self.disk.value(PURGED).map_err(read_failed)?;
        let last_entry = self.last_entry().map_err(read_failed)?;
        let last_log_id = last_entry.map(|entry| entry.log_id).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.disk.set_value(VOTE, vote).map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.disk.value(VOTE).map_err(|error| StorageIOError::read_vote(&error).into())
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = vec![];
        for entry in entries {
            let bytes = serde_json::to_vec(&entry).map_err(|error| write_failed(error.into()))?;
            rows.push((entry.log_id.index, bytes));
        }
        // A sync to disk takes milliseconds: not on a worker of the async runtime.
        let store = self.clone();
        let written = tokio::task::spawn_blocking(move || store.insert(&rows)).await;
        match written {
            Ok(Ok(())) => {
                flushed.log_io_completed(Ok(()));
                Ok(())
            }
            Ok(Err(error)) => Err(write_failed(error)),
            Err(panic) => Err(StorageIOError::write_logs(&panic).into()),
        }
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.remove((Bound::Included(from.index), Bound::Unbounded)).map_err(write_failed)
    }

    async fn purge(&mut self, to: openraft::LogId<NodeId>) -> Result<(), StorageError> {
        // First the mark, then the entries: a crash between leaves too much, never too little.
        self.disk.set_value(PURGED, &to).map_err(write_failed)?;
        self.remove((Bound::Unbounded, Bound::Included(to.index))).map_err(write_failed)
    }
}
