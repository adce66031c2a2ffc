use godwit_contract::call::v1::raft_service_server::RaftService;
use godwit_contract::call::v1::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use godwit_rpc::to_status;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::raft::Node;

/// `godwit.call.v1.RaftService`: what the other replicas call.
pub struct RaftGrpc {
    node: Node,
}

impl RaftGrpc {
    /// The service over this replica.
    pub const fn new(node: Node) -> Self {
        Self { node }
    }
}

fn refuse(error: crate::raft::Error) -> Status {
    to_status(Error::from(error))
}

#[tonic::async_trait]
impl RaftService for RaftGrpc {
    async fn append_entries(
        &self,
        request: Request<AppendEntriesRequest>,
    ) -> Result<Response<AppendEntriesResponse>, Status> {
        let payload = self.node.take_entries(&request.into_inner().payload).await.map_err(refuse)?;
        Ok(Response::new(AppendEntriesResponse { payload }))
    }

    async fn vote(&self, request: Request<VoteRequest>) -> Result<Response<VoteResponse>, Status> {
        let payload = self.node.take_vote(&request.into_inner().payload).await.map_err(refuse)?;
        Ok(Response::new(VoteResponse { payload }))
    }

    async fn install_snapshot(
        &self,
        request: Request<InstallSnapshotRequest>,
    ) -> Result<Response<InstallSnapshotResponse>, Status> {
        let payload = self.node.take_snapshot(&request.into_inner().payload).await.map_err(refuse)?;
        Ok(Response::new(InstallSnapshotResponse { payload }))
    }
}
