use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, GetHeadsRequest, GetHeadsResponse, OutgoingMessage,
    RaiseMembershipVersionRequest, RaiseMembershipVersionResponse, SendMessagesRequest, SendMessagesResponse,
    SendRefusal, SendResult, send_result,
};
use godwit_contract::v1::update::Change;
use godwit_kernel::limits::{BATCH_IDS_MAX, SEND_MESSAGES_MAX};
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Caller, InvalidField, parse_id, to_status};
use tonic::{Code, Request, Response, Status, async_trait};

use super::Server;
use crate::app::{AppendUpdate, SendMessage};
use crate::domain::{CHANGE_BYTES_MAX, MembershipVersion, Message};
use crate::error::Error;
use crate::events::outgoing::{announced_to, encode_message, partial_update};

#[async_trait]
impl MessageInternalService for Server {
    async fn append_update(
        &self,
        request: Request<AppendUpdateRequest>,
    ) -> Result<Response<AppendUpdateResponse>, Status> {
        let update = decode_update(request.into_inner()).map_err(to_status)?;
        let placed = self.0.append_update(update).await.map_err(to_status)?;
        Ok(Response::new(AppendUpdateResponse { seq: placed.seq.get(), epoch: placed.epoch.to_string() }))
    }

    async fn raise_membership_version(
        &self,
        request: Request<RaiseMembershipVersionRequest>,
    ) -> Result<Response<RaiseMembershipVersionResponse>, Status> {
        let RaiseMembershipVersionRequest { chat_id, membership_version, .. } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let version = decode_version(*membership_version).map_err(to_status)?;
        self.0.raise_membership_version(chat_id, version).await.map_err(to_status)?;
        Ok(Response::new(RaiseMembershipVersionResponse {}))
    }

    async fn send_messages(
        &self,
        request: Request<SendMessagesRequest>,
    ) -> Result<Response<SendMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let sends = decode_sends(request.into_inner()).map_err(to_status)?;
        let results = self.0.send_messages(caller.user_id, sends).await.into_iter().map(encode_result);
        let results = results.collect::<Result<_, _>>()?;
        Ok(Response::new(SendMessagesResponse { results }))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        let chats = decode_chats(request.get_ref()).map_err(to_status)?;
        let heads = self.0.get_heads(&chats).await.map_err(to_status)?;
        let heads = heads.into_iter().map(|head| ChatHead {
            chat_id: head.chat_id.to_string(),
            last_seq: head.last_seq.get(),
            epoch: head.epoch.to_string(),
            last_message: head.last_message.as_ref().map(encode_message),
            ..ChatHead::default()
        });
        Ok(Response::new(GetHeadsResponse { heads: heads.collect() }))
    }

    async fn rank_chats(
        &self,
        _: Request<godwit_contract::message::v1::RankChatsRequest>,
    ) -> Result<Response<godwit_contract::message::v1::RankChatsResponse>, Status> {
        Err(Status::unimplemented("MessageInternalService.RankChats"))
    }

    async fn clear_history(
        &self,
        _: Request<godwit_contract::message::v1::ClearHistoryRequest>,
    ) -> Result<Response<godwit_contract::message::v1::ClearHistoryResponse>, Status> {
        Err(Status::unimplemented("MessageInternalService.ClearHistory"))
    }

    async fn get_messages(
        &self,
        _: Request<godwit_contract::message::v1::GetMessagesRequest>,
    ) -> Result<Response<godwit_contract::message::v1::GetMessagesResponse>, Status> {
        Err(Status::unimplemented("MessageInternalService.GetMessages"))
    }
}

fn decode_update(request: AppendUpdateRequest) -> Result<AppendUpdate, InvalidField> {
    let event_id = parse_id("event_id", &request.event_id)?;
    let update = request.update.ok_or_else(|| InvalidField::new("update", "is missing"))?;
    let chat_id = parse_id("update.chat_id", &update.chat_id)?;
    if !update.actor_id.is_empty() {
        parse_id::<UserId>("update.actor_id", &update.actor_id)?;
    }
    match &update.change {
        None => return Err(InvalidField::new("update.change", "is missing or not known to this version")),
        Some(Change::MessageCreated(_)) => {
            return Err(InvalidField::new("update.change", "a message is sent by MessageService.SendMessage"));
        }
        Some(_) => {}
    }
    let membership_version = decode_version(request.membership_version)?;
    let announced_to = announced_to(&update);
    let partial_update = partial_update(update);
    if partial_update.len() > CHANGE_BYTES_MAX {
        return Err(InvalidField::new("update.change", "must have at most 65536 bytes"));
    }
    Ok(AppendUpdate { event_id, chat_id, membership_version, partial_update, announced_to })
}

fn decode_version(number: u64) -> Result<MembershipVersion, InvalidField> {
    MembershipVersion::new(number).ok_or_else(|| InvalidField::new("membership_version", "must be below 2^63"))
}

fn decode_sends(request: SendMessagesRequest) -> Result<Vec<SendMessage>, InvalidField> {
    let SendMessagesRequest { chat_id, messages } = request;
    if messages.len() > SEND_MESSAGES_MAX {
        return Err(InvalidField::new("messages", "must have at most 64 items"));
    }
    let sends = messages.into_iter().map(|OutgoingMessage { client_message_id, text, .. }| SendMessage {
        chat_id: chat_id.clone(),
        client_message_id,
        text,
    });
    Ok(sends.collect())
}

/// What became of one message. One that cannot be served now makes the whole call so: the caller asks again, and those
/// that are committed are found.
fn encode_result(result: Result<Message, Error>) -> Result<SendResult, Status> {
    let result = match result {
        Ok(message) => send_result::Result::Message(encode_message(&message)),
        Err(error) => {
            let status = to_status(error);
            if status.code() == Code::Unavailable {
                return Err(status);
            }
            let details = bytes::Bytes::copy_from_slice(status.details());
            let (code, message) = (status.code().into(), status.message().to_owned());
            send_result::Result::Refusal(SendRefusal { code, message, details })
        }
    };
    Ok(SendResult { result: Some(result) })
}

fn decode_chats(request: &GetHeadsRequest) -> Result<Vec<ChatId>, InvalidField> {
    if request.chat_ids.len() > BATCH_IDS_MAX {
        return Err(InvalidField::new("chat_ids", "must have at most 200 items"));
    }
    request.chat_ids.iter().map(|id| parse_id("chat_ids", id)).collect()
}
