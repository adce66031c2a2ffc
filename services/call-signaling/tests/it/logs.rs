use std::sync::{Arc, Mutex};

use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use tonic::{Request, Response, Status};

/// A message service that keeps what it is to append, each event once.
#[derive(Clone, Default)]
pub struct FakeLogs(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_away: bool,
    appended: Vec<api::AppendUpdateRequest>,
}

impl FakeLogs {
    pub fn set_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    pub fn appended(&self) -> Vec<api::AppendUpdateRequest> {
        self.0.lock().unwrap().appended.clone()
    }
}

#[tonic::async_trait]
impl MessageInternalService for FakeLogs {
    async fn append_update(
        &self,
        request: Request<api::AppendUpdateRequest>,
    ) -> Result<Response<api::AppendUpdateResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        if state.is_away {
            return Err(Status::unavailable("away"));
        }
        if !state.appended.iter().any(|known| known.event_id == request.event_id) {
            state.appended.push(request);
        }
        Ok(Response::new(api::AppendUpdateResponse { seq: 1, epoch: String::new() }))
    }

    async fn raise_membership_version(
        &self,
        _: Request<api::RaiseMembershipVersionRequest>,
    ) -> Result<Response<api::RaiseMembershipVersionResponse>, Status> {
        Err(not_asked())
    }

    async fn send_messages(
        &self,
        _: Request<api::SendMessagesRequest>,
    ) -> Result<Response<api::SendMessagesResponse>, Status> {
        Err(not_asked())
    }

    async fn get_heads(&self, _: Request<api::GetHeadsRequest>) -> Result<Response<api::GetHeadsResponse>, Status> {
        Err(not_asked())
    }

    async fn rank_chats(&self, _: Request<api::RankChatsRequest>) -> Result<Response<api::RankChatsResponse>, Status> {
        Err(not_asked())
    }

    async fn clear_history(
        &self,
        _: Request<api::ClearHistoryRequest>,
    ) -> Result<Response<api::ClearHistoryResponse>, Status> {
        Err(not_asked())
    }

    async fn get_messages(
        &self,
        _: Request<api::GetMessagesRequest>,
    ) -> Result<Response<api::GetMessagesResponse>, Status> {
        Err(not_asked())
    }
}

fn not_asked() -> Status {
    Status::unimplemented("not asked by calls")
}
