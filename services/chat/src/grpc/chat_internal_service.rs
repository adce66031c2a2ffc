use std::str::FromStr;

use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, OpenSavedMessagesRequest,
    OpenSavedMessagesResponse, PostingRefusal, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_kernel::limits::{INTERNAL_PAGE_MAX, page_size};
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::domain::{BlockState, BlockVersion, DirectBlock, DirectPair, PostingPolicy, Right};
use crate::events::encode::{encode_kind, encode_right};

#[async_trait]
impl ChatInternalService for Server {
    async fn get_posting_policy(
        &self,
        request: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        let GetPostingPolicyRequest { chat_id, user_id } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let user_id = parse_id("user_id", user_id).map_err(to_status)?;
        if let Some(policy) = self.0.posting_policy(chat_id, user_id).await.map_err(to_status)? {
            return Ok(Response::new(encode_policy(&policy)));
        }
        // Who is not a member may still see what anybody finds.
        let is_public = self.0.is_public(chat_id).await.map_err(to_status)?;
        Ok(Response::new(GetPostingPolicyResponse { is_public, ..GetPostingPolicyResponse::default() }))
    }

    async fn set_direct_block(
        &self,
        request: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        let block = decode_block(request.get_ref()).map_err(to_status)?;
        self.0.set_direct_block(block).await.map_err(to_status)?;
        Ok(Response::new(SetDirectBlockResponse {}))
    }

    async fn list_chat_ids(
        &self,
        request: Request<ListChatIdsRequest>,
    ) -> Result<Response<ListChatIdsResponse>, Status> {
        let ListChatIdsRequest { user_id, after_chat_id, limit } = request.get_ref();
        let user_id = parse_id("user_id", user_id).map_err(to_status)?;
        let after = decode_after("after_chat_id", after_chat_id).map_err(to_status)?;
        let page = self.0.list_chat_ids(user_id, after, decode_limit(*limit)).await.map_err(to_status)?;
        let chat_ids = page.items.iter().map(ToString::to_string).collect();
        Ok(Response::new(ListChatIdsResponse { chat_ids, has_more: page.has_more }))
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let ListMembersRequest { chat_id, after_user_id, limit } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let after = decode_after("after_user_id", after_user_id).map_err(to_status)?;
        let members = self.0.list_members(chat_id, after, decode_limit(*limit)).await.map_err(to_status)?;
        let answer = members.map(|(kind, page)| ListMembersResponse {
            user_ids: page.items.iter().map(ToString::to_string).collect(),
            has_more: page.has_more,
            kind: encode_kind(kind).into(),
        });
        Ok(Response::new(answer.unwrap_or_default()))
    }

    async fn list_direct_peers(
        &self,
        request: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        let ListDirectPeersRequest { user_id, after_user_id, limit } = request.get_ref();
        let user_id = parse_id("user_id", user_id).map_err(to_status)?;
        let after = decode_after("after_user_id", after_user_id).map_err(to_status)?;
        let page = self.0.list_direct_peers(user_id, after, decode_limit(*limit)).await.map_err(to_status)?;
        let user_ids = page.items.iter().map(ToString::to_string).collect();
        Ok(Response::new(ListDirectPeersResponse { user_ids, has_more: page.has_more }))
    }

    async fn open_saved_messages(
        &self,
        request: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        let user_id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        self.0.open_saved_messages(user_id).await.map_err(to_status)?;
        Ok(Response::new(OpenSavedMessagesResponse {}))
    }
}

fn encode_policy(policy: &PostingPolicy) -> GetPostingPolicyResponse {
    let may_post = policy.standing.allows(Right::Post);
    let refusal = match policy.standing.is_blocked {
        true if !may_post => PostingRefusal::Blocked,
        _ => PostingRefusal::Unspecified,
    };
    GetPostingPolicyResponse {
        is_member: true,
        may_post,
        membership_version: policy.version.get(),
        refusal: refusal.into(),
        kind: encode_kind(policy.standing.kind).into(),
        rights: policy.standing.rights().map(|right| encode_right(right).into()).collect(),
        slow_mode_secs: policy.pause_secs(),
        member_count: policy.member_count,
        is_public: policy.is_public,
    }
}

fn decode_block(request: &SetDirectBlockRequest) -> Result<DirectBlock, InvalidField> {
    let user_id = parse_id("user_id", &request.user_id)?;
    let other_user_id = parse_id("other_user_id", &request.other_user_id)?;
    let version = BlockVersion::new(request.version);
    Ok(DirectBlock {
        pair: DirectPair::of(user_id, other_user_id)
            .ok_or_else(|| InvalidField::new("other_user_id", "must be another user"))?,
        state: if request.is_blocked { BlockState::Blocked } else { BlockState::Open },
        version: version.ok_or_else(|| InvalidField::new("version", "must be below 2^63"))?,
    })
}

fn decode_after<T: FromStr>(field: &'static str, text: &str) -> Result<Option<T>, InvalidField> {
    if text.is_empty() { Ok(None) } else { parse_id(field, text).map(Some) }
}

fn decode_limit(asked: u32) -> u32 {
    page_size(asked, INTERNAL_PAGE_MAX, INTERNAL_PAGE_MAX)
}
