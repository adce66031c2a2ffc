use std::collections::BTreeMap;
use std::time::Duration;

use godwit_contract::call::v1::raft_service_client::RaftServiceClient;
use godwit_contract::call::v1::raft_service_server::RaftService;
use godwit_contract::call::v1::{
    AppendEntriesRequest, AppendEntriesResponse, GetMembersRequest, GetMembersResponse, InstallSnapshotRequest,
    InstallSnapshotResponse, Replica, SetMembersRequest, SetMembersResponse, VoteRequest, VoteResponse,
};
use godwit_rpc::{InvalidField, to_status};
use tonic::{Request, Response, Status};

use super::leader::{Asked, Leader, Repeat};
use crate::Error;
use crate::raft::Node;

/// The most replicas of a group.
const MEMBERS_MAX: usize = 9;
/// One that joins learns the log meanwhile.
const SET_MEMBERS_TIMEOUT: Duration = Duration::from_secs(25);

/// `godwit.call.v1.RaftService`: what the other replicas call, and whoever changes which these are.
pub struct RaftGrpc {
    node: Node,
    leader: Leader,
}

impl RaftGrpc {
    /// The service over this replica.
    pub const fn new(node: Node, leader: Leader) -> Self {
        Self { node, leader }
    }

    async fn set(&self, request: SetMembersRequest) -> Result<SetMembersResponse, Error> {
        let SetMembersRequest { members } = request;
        let count = members.len();
        if !(1..=MEMBERS_MAX).contains(&count) {
            return Err(InvalidField::new("members", format!("must be 1 to {MEMBERS_MAX}")).into());
        }
        let members: BTreeMap<_, _> = members.into_iter().map(|member| (member.number, member.address)).collect();
        if members.len() < count {
            return Err(InvalidField::new("members", "name a replica twice").into());
        }
        self.node.set_members(members).await?;
        Ok(SetMembersResponse {})
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

    async fn get_members(&self, _: Request<GetMembersRequest>) -> Result<Response<GetMembersResponse>, Status> {
        let members = self.node.members().into_iter().map(|(number, address)| Replica { number, address }).collect();
        Ok(Response::new(GetMembersResponse { members, leader: self.node.leader_number().unwrap_or(0) }))
    }

    async fn set_members(&self, request: Request<SetMembersRequest>) -> Result<Response<SetMembersResponse>, Status> {
        let asked = Asked::of(&request, Repeat::Harmless).within(SET_MEMBERS_TIMEOUT);
        let there = |channel, request| async { RaftServiceClient::new(channel).set_members(request).await };
        self.leader.serve(asked, request.into_inner(), |message| self.set(message), there).await
    }
}
