use std::io::Cursor;
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::{Entry, LogId, Snapshot, SnapshotMeta, StorageError, StorageIOError, StoredMembership, TypeConfig};
use crate::domain::{Call, Machine, Outcome};

const SNAPSHOT: &str = "snapshot";

/// The machine in memory, and its newest snapshot on disk.
#[derive(Clone)]
pub(super) struct StateMachine {
    state: Arc<RwLock<State>>,
    disk: Disk,
}

#[derive(Default)]
struct State {
    machine: Machine,
    last_applied: Option<LogId>,
    membership: StoredMembership,
}

/// What stands on disk.
#[derive(Serialize, Deserialize)]
struct StoredSnapshot {
    meta: SnapshotMeta,
    calls: Vec<Call>,
}

impl StateMachine {
    /// The state of the newest snapshot; the log after it is applied again by the consensus library.
    pub(super) fn open(disk: Disk) -> Result<Self, super::disk::DiskError> {
        let stored: Option<StoredSnapshot> = disk.value(SNAPSHOT)?;
        let state = stored.map(State::from).unwrap_or_default();
        Ok(Self { state: Arc::new(RwLock::new(state)), disk })
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.state.read().machine)
    }

    /// Puts a snapshot on disk.
    async fn store(&self, snapshot: StoredSnapshot) -> Result<StoredSnapshot, StorageError> {
        let signature = Some(snapshot.meta.signature());
        let written = self.disk.write(move |disk| disk.set_value(SNAPSHOT, &snapshot).map(|()| snapshot)).await;
        written.map_err(|error| StorageIOError::write_snapshot(signature, &error).into())
    }
}

impl From<StoredSnapshot> for State {
    fn from(stored: StoredSnapshot) -> Self {
        Self {
            machine: Machine::from_calls(stored.calls),
            last_applied: stored.meta.last_log_id,
            membership: stored.meta.last_membership,
        }
    }
}

fn encode(stored: &StoredSnapshot) -> Result<Snapshot, StorageError> {
    let bytes = serde_json::to_vec(&stored.calls)
        .map_err(|error| StorageIOError::read_snapshot(Some(stored.meta.signature()), &error))?;
    Ok(Snapshot { meta: stored.meta.clone(), snapshot: Box::new(Cursor::new(bytes)) })
}

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let stored = {
            let state = self.state.read();
            let index = state.last_applied.map_or(0, |id| id.index);
            let term = state.last_applied.map_or(0, |id| id.leader_id.term);
            let meta = SnapshotMeta {
                last_log_id: state.last_applied,
                last_membership: state.membership.clone(),
                snapshot_id: format!("{term}-{index}"),
            };
            StoredSnapshot { meta, calls: state.machine.calls().cloned().collect() }
        };
        encode(&self.store(stored).await?)
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let state = self.state.read();
        Ok((state.last_applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcome>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state.write();
        let mut outcomes = vec![];
        for entry in entries {
            state.last_applied = Some(entry.log_id);
            outcomes.push(match entry.payload {
                EntryPayload::Blank => Outcome::Done,
                EntryPayload::Normal(command) => state.machine.apply(command),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Outcome::Done
                }
            });
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::new(Cursor::new(vec![])))
    }

    async fn install_snapshot(
        &mut self,
        meta: &openraft::SnapshotMeta<super::NodeId, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let calls = serde_json::from_slice(snapshot.get_ref())
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        let stored = StoredSnapshot { meta: meta.clone(), calls };
        let stored = self.store(stored).await?;
        *self.state.write() = State::from(stored);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let stored: Option<StoredSnapshot> =
            self.disk.value(SNAPSHOT).map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        stored.as_ref().map(encode).transpose()
    }
}
