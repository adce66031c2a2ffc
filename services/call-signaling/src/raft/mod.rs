//! The Raft group that replicates the call state machine: openraft over tonic, with log, vote and snapshots on disk
//! (redb). One voter on one machine.

mod disk;
mod leadership;
mod log_store;
mod members;
mod network;
mod node;
mod state_machine;

pub use leadership::Leadership;
pub use node::{Error, Node, NodeOptions};

use std::io::Cursor;

use openraft::BasicNode;

use crate::domain::{Command, Outcome};

/// A replica's number, given by configuration.
pub type NodeId = u64;

openraft::declare_raft_types!(
    /// The types of this group.
    pub TypeConfig: D = Command, R = Outcome, NodeId = NodeId, Node = BasicNode, SnapshotData = Cursor<Vec<u8>>
);

type StorageError = openraft::StorageError<NodeId>;
type StorageIOError = openraft::StorageIOError<NodeId>;
type LogId = openraft::LogId<NodeId>;
type Vote = openraft::Vote<NodeId>;
type StoredMembership = openraft::StoredMembership<NodeId, BasicNode>;
type SnapshotMeta = openraft::SnapshotMeta<NodeId, BasicNode>;
type Entry = openraft::Entry<TypeConfig>;
type Snapshot = openraft::Snapshot<TypeConfig>;
