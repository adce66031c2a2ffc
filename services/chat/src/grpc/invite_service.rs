use godwit_contract::chat::v1::invite_service_server::InviteService;
use godwit_contract::chat::v1::{
    AcceptJoinRequestRequest, AcceptJoinRequestResponse, CreateInviteRequest, CreateInviteResponse, GetInviteRequest,
    GetInviteResponse, Invite, JoinByInviteRequest, JoinByInviteResponse, JoinRequest, ListInvitesRequest,
    ListInvitesResponse, ListJoinRequestsRequest, ListJoinRequestsResponse, RejectJoinRequestRequest,
    RejectJoinRequestResponse, RevokeInvitesRequest, RevokeInvitesResponse,
};
use godwit_rpc::{Caller, InvalidField, idempotency_key, instant, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::decode::{chat_and_user, time_page};
use super::encode::encode_chat;
use crate::app::{InviteView, Joining, RequestView};
use crate::domain::{self, InviteCode, InviteTerms};
use crate::error::Error;
use crate::events::encode::encode_kind;

#[async_trait]
impl InviteService for Server {
    async fn create_invite(
        &self,
        request: Request<CreateInviteRequest>,
    ) -> Result<Response<CreateInviteResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let terms = decode_terms(request.get_ref()).map_err(to_status)?;
        let invite = self.0.create_invite(caller.user_id, chat_id, terms, key).await.map_err(to_status)?;
        Ok(Response::new(CreateInviteResponse { invite: Some(encode_invite(&invite)) }))
    }

    async fn list_invites(
        &self,
        request: Request<ListInvitesRequest>,
    ) -> Result<Response<ListInvitesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let invites = self.0.list_invites(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(ListInvitesResponse { invites: invites.iter().map(encode_invite).collect() }))
    }

    async fn revoke_invites(
        &self,
        request: Request<RevokeInvitesRequest>,
    ) -> Result<Response<RevokeInvitesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let RevokeInvitesRequest { chat_id, code } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let code = if code.is_empty() {
            None
        } else {
            let code = InviteCode::parse(code).ok_or_else(|| InvalidField::new("code", "is not a code"));
            Some(code.map_err(to_status)?)
        };
        self.0.revoke_invites(caller.user_id, chat_id, code).await.map_err(to_status)?;
        Ok(Response::new(RevokeInvitesResponse {}))
    }

    async fn get_invite(&self, request: Request<GetInviteRequest>) -> Result<Response<GetInviteResponse>, Status> {
        let caller = Caller::of(&request)?;
        let code = decode_code(&request.get_ref().code).map_err(to_status)?;
        let view = self.0.get_invite(caller.user_id, &code).await.map_err(to_status)?;
        Ok(Response::new(encode_view(view)))
    }

    async fn join_by_invite(
        &self,
        request: Request<JoinByInviteRequest>,
    ) -> Result<Response<JoinByInviteResponse>, Status> {
        let caller = Caller::of(&request)?;
        let code = decode_code(&request.get_ref().code).map_err(to_status)?;
        let answer = match self.0.join_by_invite(caller.user_id, &code).await.map_err(to_status)? {
            Joining::Joined(chat) => JoinByInviteResponse { chat: Some(encode_chat(*chat)), is_waiting: false },
            Joining::Waiting => JoinByInviteResponse { chat: None, is_waiting: true },
        };
        Ok(Response::new(answer))
    }

    async fn list_join_requests(
        &self,
        request: Request<ListJoinRequestsRequest>,
    ) -> Result<Response<ListJoinRequestsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListJoinRequestsRequest { chat_id, limit, cursor } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let (cursor, limit) = time_page(cursor, *limit).map_err(to_status)?;
        let page = self.0.list_join_requests(caller.user_id, chat_id, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListJoinRequestsResponse {
            requests: page.requests.into_iter().map(encode_request).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }

    async fn accept_join_request(
        &self,
        request: Request<AcceptJoinRequestRequest>,
    ) -> Result<Response<AcceptJoinRequestResponse>, Status> {
        let caller = Caller::of(&request)?;
        let AcceptJoinRequestRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.accept_join_request(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(AcceptJoinRequestResponse {}))
    }

    async fn reject_join_request(
        &self,
        request: Request<RejectJoinRequestRequest>,
    ) -> Result<Response<RejectJoinRequestResponse>, Status> {
        let caller = Caller::of(&request)?;
        let RejectJoinRequestRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.reject_join_request(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(RejectJoinRequestResponse {}))
    }
}

/// What can be no code leads nowhere.
fn decode_code(code: &str) -> Result<InviteCode, Error> {
    InviteCode::parse(code).ok_or(Error::InviteNotFound)
}

fn decode_terms(request: &CreateInviteRequest) -> Result<InviteTerms, InvalidField> {
    let expires_at = request
        .expires_at
        .as_ref()
        .map(|at| instant(at).ok_or_else(|| InvalidField::new("expires_at", "is not an instant")));
    Ok(InviteTerms {
        expires_at: expires_at.transpose()?,
        uses_max: request.uses_max,
        needs_approval: request.needs_approval,
    })
}

fn encode_invite(invite: &domain::Invite) -> Invite {
    Invite {
        code: invite.code.as_str().to_owned(),
        chat_id: invite.chat_id.to_string(),
        created_by_id: invite.created_by.to_string(),
        created_at: Some(timestamp(invite.created_at)),
        expires_at: invite.expires_at.map(timestamp),
        uses_max: invite.uses_max,
        use_count: invite.use_count,
        needs_approval: invite.needs_approval,
    }
}

fn encode_view(InviteView { invite, chat, is_member }: InviteView) -> GetInviteResponse {
    GetInviteResponse {
        chat_id: chat.id.to_string(),
        kind: encode_kind(chat.kind).into(),
        title: chat.info.title.as_str().to_owned(),
        description: chat.info.description.as_str().to_owned(),
        avatar_media_id: chat.info.avatar_id.map(|id| id.to_string()).unwrap_or_default(),
        member_count: chat.member_count,
        needs_approval: invite.needs_approval,
        is_member,
    }
}

fn encode_request(view: RequestView) -> JoinRequest {
    JoinRequest { user: Some(view.user), requested_at: Some(timestamp(view.request.requested_at)) }
}
