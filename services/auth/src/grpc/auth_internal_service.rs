use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    self as api, AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest,
    GetUsersResponse, ListRevocationsRequest, ListRevocationsResponse, ResolveUsernamesRequest,
    ResolveUsernamesResponse, ResolvedUsername, Revocation,
};
use godwit_rpc::{InvalidField, instant, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_user};
use crate::app::AccessPair;
use crate::domain::access::{Action, Refusal};

#[async_trait]
impl AuthInternalService for Server {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let ids = request.get_ref().user_ids.iter().map(|id| parse_id("user_ids", id));
        let ids = ids.collect::<Result<Vec<_>, InvalidField>>().map_err(to_status)?;
        let viewer_id = &request.get_ref().viewer_id;
        let viewer = (!viewer_id.is_empty()).then(|| parse_id("viewer_id", viewer_id)).transpose();
        let users = self.0.get_users(&ids, viewer.map_err(to_status)?).await.map_err(to_status)?;
        Ok(Response::new(GetUsersResponse { users: users.iter().map(encode_user).collect() }))
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let ListRevocationsRequest { revoked_since, after_session_id, limit } = request.into_inner();
        let since = revoked_since
            .map(|since| instant(&since).ok_or_else(|| InvalidField::new("revoked_since", "is not an instant")));
        let since = since.transpose().map_err(to_status)?;
        let after = (!after_session_id.is_empty()).then(|| parse_id("after_session_id", &after_session_id));
        let after = after.transpose().map_err(to_status)?;
        let page = self.0.list_revocations(since, after, limit).await.map_err(to_status)?;
        let revocations = page.revocations.into_iter().map(|revocation| Revocation {
            session_id: revocation.session_id.to_string(),
            user_id: revocation.user_id.to_string(),
            revoked_at: Some(godwit_rpc::timestamp(revocation.revoked_at)),
        });
        Ok(Response::new(ListRevocationsResponse { revocations: revocations.collect(), has_more: page.has_more }))
    }

    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let CheckAccessRequest { action, pairs } = request.into_inner();
        let action = decode_action(action).map_err(to_status)?;
        let pairs = pairs.iter().map(decode_pair).collect::<Result<Vec<_>, _>>().map_err(to_status)?;
        let answers = self.0.check_access(action, &pairs).await.map_err(to_status)?;
        let answers = answers.into_iter().map(|answer| AccessAnswer {
            is_allowed: answer.is_ok(),
            reason: answer.err().map_or("", Refusal::reason).to_owned(),
        });
        Ok(Response::new(CheckAccessResponse { answers: answers.collect() }))
    }

    async fn resolve_usernames(
        &self,
        request: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        let found = self.0.resolve_usernames(request.into_inner().usernames).await.map_err(to_status)?;
        let users = found.into_iter().map(|(username, id)| ResolvedUsername { username, user_id: id.to_string() });
        Ok(Response::new(ResolveUsernamesResponse { users: users.collect() }))
    }
}

fn decode_action(action: i32) -> Result<Action, InvalidField> {
    match AccessAction::try_from(action) {
        Ok(AccessAction::Message) => Ok(Action::Message),
        Ok(AccessAction::Call) => Ok(Action::Call),
        Ok(AccessAction::SeePresence) => Ok(Action::SeePresence),
        Ok(AccessAction::SeeAvatar) => Ok(Action::SeeAvatar),
        Ok(AccessAction::NameInForward) => Ok(Action::NameInForward),
        Ok(AccessAction::Unspecified) | Err(_) => Err(InvalidField::new("action", "is not an action")),
    }
}

fn decode_pair(pair: &api::AccessPair) -> Result<AccessPair, InvalidField> {
    Ok(AccessPair {
        actor: parse_id("pairs.actor_id", &pair.actor_id)?,
        target: parse_id("pairs.target_id", &pair.target_id)?,
    })
}
