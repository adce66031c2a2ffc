use bytes::Bytes;
use godwit_contract::call::v1::raft_service_client::RaftServiceClient;
use godwit_contract::call::v1::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest};
use godwit_rpc::{Channel, Directory, Target};
use openraft::BasicNode;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::{Request, Status};

use super::{NodeId, TypeConfig};

type RpcError<E = RaftError<NodeId>> = RPCError<NodeId, BasicNode, E>;

/// Makes connections to the other replicas, protected as all internal calls are.
pub(super) struct Network {
    directory: Directory,
}

impl Network {
    pub(super) const fn new(directory: Directory) -> Self {
        Self { directory }
    }
}

/// The connection to one replica.
pub(super) struct Peer {
    target: NodeId,
    /// `None` when its address is no URL: it then counts as unreachable.
    client: Option<RaftServiceClient<Channel>>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Peer {
        let channel = self.directory.replica(Target::Call, &node.addr).ok();
        Peer { target, client: channel.map(RaftServiceClient::new) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the replica's address is not a URL")]
struct NoAddress;

impl Peer {
    fn client(&self) -> Result<RaftServiceClient<Channel>, Unreachable> {
        self.client.clone().ok_or_else(|| Unreachable::new(&NoAddress))
    }

    fn answer<T: DeserializeOwned, E>(&self, answer: Result<Bytes, Status>) -> Result<T, RpcError<E>>
    where
        E: DeserializeOwned + std::error::Error + 'static,
    {
        let bytes = answer.map_err(|status| RPCError::Unreachable(Unreachable::new(&status)))?;
        let result: Result<T, E> = serde_json::from_slice(&bytes).map_err(|error| network(&error))?;
        result.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

fn network<E: std::error::Error + 'static, R: std::error::Error>(error: &E) -> RpcError<R> {
    RPCError::Network(NetworkError::new(error))
}

fn encode<T: Serialize, R: std::error::Error>(request: &T) -> Result<Bytes, RpcError<R>> {
    serde_json::to_vec(request).map(Bytes::from).map_err(|error| network(&error))
}

/// The consensus library names the longest time a call may take.
fn with_deadline<T>(message: T, option: &RPCOption) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(option.hard_ttl());
    request
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        request: raft::AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<raft::AppendEntriesResponse<NodeId>, RpcError> {
        let payload = encode(&request)?;
        let answer = self.client()?.append_entries(with_deadline(AppendEntriesRequest { payload }, &option)).await;
        self.answer(answer.map(|response| response.into_inner().payload))
    }

    async fn install_snapshot(
        &mut self,
        request: raft::InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<raft::InstallSnapshotResponse<NodeId>, RpcError<RaftError<NodeId, InstallSnapshotError>>> {
        let payload = encode(&request)?;
        let answer = self.client()?.install_snapshot(with_deadline(InstallSnapshotRequest { payload }, &option)).await;
        self.answer(answer.map(|response| response.into_inner().payload))
    }

    async fn vote(
        &mut self,
        request: raft::VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<raft::VoteResponse<NodeId>, RpcError> {
        let payload = encode(&request)?;
        let answer = self.client()?.vote(with_deadline(VoteRequest { payload }, &option)).await;
        self.answer(answer.map(|response| response.into_inner().payload))
    }
}
