use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_rpc::Directory;
use openraft::error::{CheckIsLeaderError, ClientWriteError, Fatal, InitializeError, RaftError};
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::Disk;
use super::log_store::LogStore;
use super::network::Network;
use super::state_machine::StateMachine;
use super::{NodeId, TypeConfig};
use crate::domain::{Command, Machine, Outcome};

const HEARTBEAT_MS: u64 = 150;
const ELECTION_TIMEOUT_MIN_MS: u64 = 500;
const ELECTION_TIMEOUT_MAX_MS: u64 = 1_000;
/// Log entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 2_000;
/// A snapshot travels in pieces; in JSON a byte takes up to four, and a gRPC message holds 4 MiB.
const SNAPSHOT_PIECE_BYTES: u64 = 512 * 1024;
const SNAPSHOT_PIECE_TIMEOUT_MS: u64 = 5_000;
/// The longest time a command may take to be committed.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(3);

/// What a replica is told at its start.
pub struct NodeOptions {
    /// Its number.
    pub node_id: NodeId,
    /// Every voter's number and gRPC address, this one's too.
    pub members: BTreeMap<NodeId, String>,
    /// Where log, vote and snapshots are kept.
    pub data_dir: PathBuf,
}

/// Why the group did not take a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another replica leads, or none does at the moment.
    #[error("this replica does not lead the group")]
    NotLeader,
    /// No majority answered in time. The command may still be taken.
    #[error("the group did not commit in time")]
    Timeout,
    /// The replica's own storage or task failed; it must be started again.
    #[error("the replica failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A group of nobody.
    #[error("a group needs a member")]
    NoMembers,
    /// A replica that stays in the group cannot get another address.
    #[error("replica {0} is in the group at another address: let it leave first")]
    MemberMoved(NodeId),
    /// One change of the members is under way.
    #[error("the members are being changed")]
    MembersChanging,
    /// Another replica sent what this release does not understand.
    #[error("the payload is not of this protocol")]
    Payload(#[from] serde_json::Error),
}

impl Error {
    pub(super) fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(source))
    }
}

/// One replica of the group.
#[derive(Clone)]
pub struct Node {
    pub(super) node_id: NodeId,
    pub(super) raft: Raft<TypeConfig>,
    machine: StateMachine,
}

impl Node {
    /// Opens the replica's file and starts it; the very first start of the group's first member makes the group. The
    /// other members are called over channels of the directory.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn start(options: NodeOptions, directory: Directory) -> Result<Self, Error> {
        let NodeOptions { node_id, members, data_dir } = options;
        tokio::fs::create_dir_all(&data_dir).await.map_err(Error::failed)?;
        let disk = Disk::open(&data_dir.join(format!("node-{node_id}.redb"))).map_err(Error::failed)?;
        let machine = StateMachine::open(disk.clone()).map_err(Error::failed)?;
        let config = Config {
            cluster_name: "godwit-calls".to_owned(),
            heartbeat_interval: HEARTBEAT_MS,
            election_timeout_min: ELECTION_TIMEOUT_MIN_MS,
            election_timeout_max: ELECTION_TIMEOUT_MAX_MS,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
            snapshot_max_chunk_size: SNAPSHOT_PIECE_BYTES,
            install_snapshot_timeout: SNAPSHOT_PIECE_TIMEOUT_MS,
            ..Config::default()
        };
        let config = Arc::new(config.validate().map_err(Error::failed)?);
        let network = Network::new(directory);
        let raft =
            Raft::new(node_id, config, network, LogStore::new(disk), machine.clone()).await.map_err(Error::failed)?;
        let node = Self { node_id, raft, machine };
        if members.keys().next() == Some(&node_id) {
            node.initialize(members).await?;
        }
        Ok(node)
    }

    /// Commits a command and tells what it did.
    ///
    /// # Errors
    /// See [`Error`]; after a time-out the command may still be taken, so that commands must be idempotent.
    pub async fn propose(&self, command: Command) -> Result<Outcome, Error> {
        let written = tokio::time::timeout(COMMIT_TIMEOUT, self.raft.client_write(command)).await;
        match written.map_err(|_| Error::Timeout)? {
            Ok(response) => Ok(response.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(Error::NotLeader),
            // Commands are idempotent: whoever leads next may be given it again.
            Err(RaftError::Fatal(Fatal::Stopped)) => Err(Error::NotLeader),
            Err(error) => Err(Error::failed(error)),
        }
    }

    /// Looks at the machine after everything that was committed before this call.
    ///
    /// # Errors
    /// When this replica cannot say what was committed.
    pub async fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> Result<T, Error> {
        let confirmed = tokio::time::timeout(COMMIT_TIMEOUT, self.raft.ensure_linearizable()).await;
        match confirmed.map_err(|_| Error::Timeout)? {
            Ok(_) => Ok(self.machine.read(look)),
            Err(RaftError::APIError(
                CheckIsLeaderError::ForwardToLeader(_) | CheckIsLeaderError::QuorumNotEnough(_),
            ))
            | Err(RaftError::Fatal(Fatal::Stopped)) => Err(Error::NotLeader),
            Err(error) => Err(Error::failed(error)),
        }
    }

    /// Looks at the machine as this replica has it; it may be behind.
    pub fn peek<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        self.machine.read(look)
    }

    /// Waits until the replica has failed for good, and tells why.
    pub async fn failed(&self) -> Error {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_and_update().running_state {
                return Error::failed(fatal.clone());
            }
            if metrics.changed().await.is_err() {
                return Error::failed(Fatal::<NodeId>::Stopped);
            }
        }
    }

    /// Stops the replica and lets go of its file.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the replica's task did not end well");
        }
    }

    /// Takes entries from the leader; request and answer as the other replicas send and read them.
    ///
    /// # Errors
    /// When the payload cannot be read.
    pub async fn take_entries(&self, payload: &[u8]) -> Result<Bytes, Error> {
        encode(&self.raft.append_entries(decode(payload)?).await)
    }

    /// Takes a vote request.
    ///
    /// # Errors
    /// When the payload cannot be read.
    pub async fn take_vote(&self, payload: &[u8]) -> Result<Bytes, Error> {
        encode(&self.raft.vote(decode(payload)?).await)
    }

    /// Takes a piece of a snapshot.
    ///
    /// # Errors
    /// When the payload cannot be read.
    pub async fn take_snapshot(&self, payload: &[u8]) -> Result<Bytes, Error> {
        encode(&self.raft.install_snapshot(decode(payload)?).await)
    }

    async fn initialize(&self, members: BTreeMap<NodeId, String>) -> Result<(), Error> {
        let members: BTreeMap<NodeId, BasicNode> =
            members.into_iter().map(|(id, address)| (id, BasicNode::new(address))).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(Error::failed(error)),
        }
    }
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    Ok(serde_json::from_slice(payload)?)
}

fn encode<T: Serialize>(answer: &T) -> Result<Bytes, Error> {
    Ok(serde_json::to_vec(answer)?.into())
}

impl From<Fatal<NodeId>> for Error {
    fn from(fatal: Fatal<NodeId>) -> Self {
        Self::failed(fatal)
    }
}
