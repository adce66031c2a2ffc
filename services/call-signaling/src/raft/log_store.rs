use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use redb::ReadableTable;

use super::disk::{Disk, DiskError, LOG, put_value};
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
}

fn insert(disk: &Disk, rows: &[(u64, Vec<u8>)]) -> Result<(), DiskError> {
    let write = disk.begin_write()?;
    {
        let mut table = write.open_table(LOG)?;
        for (index, bytes) in rows {
            table.insert(*index, bytes.as_slice())?;
        }
    }
    write.commit()?;
    Ok(())
}

fn remove(write: &redb::WriteTransaction, range: (Bound<u64>, Bound<u64>)) -> Result<(), DiskError> {
    Ok(write.open_table(LOG)?.retain_in::<u64, _>(range, |_, _| false)?)
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
        let vote = *vote;
        let written = self.disk.write(move |disk| disk.set_value(VOTE, &vote)).await;
        written.map_err(|error| StorageIOError::write_vote(&error).into())
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
        self.disk.write(move |disk| insert(disk, &rows)).await.map_err(write_failed)?;
        flushed.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        let written = self.disk.write(move |disk| {
            let write = disk.begin_write()?;
            remove(&write, (Bound::Included(from.index), Bound::Unbounded))?;
            Ok(write.commit()?)
        });
        written.await.map_err(write_failed)
    }

    async fn purge(&mut self, to: openraft::LogId<NodeId>) -> Result<(), StorageError> {
        let written = self.disk.write(move |disk| {
            let write = disk.begin_write()?;
            put_value(&write, PURGED, &to)?;
            remove(&write, (Bound::Unbounded, Bound::Included(to.index)))?;
            Ok(write.commit()?)
        });
        written.await.map_err(write_failed)
    }
}

#[cfg(test)]
mod tests {
    use openraft::storage::RaftLogStorageExt;
    use openraft::testing::{StoreBuilder, Suite, blank_ent, log_id};
    use tempfile::TempDir;

    use super::*;
    use crate::raft::state_machine::StateMachine;

    struct OnDisk;

    impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
        async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError> {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::open(&dir.path().join("replica.redb")).unwrap();
            let machine = StateMachine::open(disk.clone()).unwrap();
            Ok((dir, LogStore::new(disk), machine))
        }
    }

    #[test]
    fn log_and_machine_are_what_openraft_asks_for() {
        Suite::test_all(OnDisk).unwrap();
    }

    #[tokio::test]
    async fn what_a_replica_was_told_is_there_after_a_new_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("replica.redb");
        let id = |index| log_id(3, 1, index);
        let vote = Vote::new_committed(3, 1);
        {
            let mut store = LogStore::new(Disk::open(&path).unwrap());
            store.save_vote(&vote).await.unwrap();
            let entries = (0..10).map(|index| blank_ent::<TypeConfig>(3, 1, index));
            RaftLogStorageExt::<TypeConfig>::blocking_append(&mut store, entries).await.unwrap();
            store.truncate(id(8)).await.unwrap();
            store.purge(id(2)).await.unwrap();
        }
        let mut store = LogStore::new(Disk::open(&path).unwrap());
        let state = store.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(2)), Some(id(7))));
        assert_eq!(store.read_vote().await.unwrap(), Some(vote));
        let left: Vec<u64> = store.entries(..).unwrap().iter().map(|entry| entry.log_id.index).collect();
        assert_eq!(left, [3, 4, 5, 6, 7]);
    }
}
