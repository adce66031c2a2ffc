use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, ChatRank as PbRank, ClearHistoryRequest, ClearHistoryResponse,
    GetHeadsRequest, GetHeadsResponse, GetMessagesRequest, GetMessagesResponse, OutgoingMessage,
    RaiseMembershipVersionRequest, RaiseMembershipVersionResponse, RankChatsRequest, RankChatsResponse,
    SendMessagesRequest, SendMessagesResponse, SendRefusal, SendResult, send_result,
};
use godwit_contract::v1::update::Change;
use godwit_kernel::limits::{BATCH_IDS_MAX, SEND_MESSAGES_MAX};
use godwit_kernel::{MessageId, UserId};
use godwit_rpc::{Caller, InvalidField, instant, parse_id, timestamp, to_status};
use tonic::{Code, Request, Response, Status, async_trait};

use super::Server;
use super::receipt_service::encode as encode_receipt;
use crate::app::{AppendUpdate, ChatRank, LogHead, Raise, SeenHead, SendMessage, WantedReceipts};
use crate::domain::limits::{RANKED_CHATS_MAX, RANKS_MAX};
use crate::domain::{CHANGE_BYTES_MAX, MembershipVersion, Message};
use crate::error::Error;
use crate::wire::{announced_to, encode_message, membership, partial_update};

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
        let raise = decode_raise(request.get_ref()).map_err(to_status)?;
        self.0.raise_membership_version(raise).await.map_err(to_status)?;
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
        let GetHeadsRequest { chat_ids, viewer_id, with_receipts } = request.get_ref();
        let chats = decode_ids("chat_ids", chat_ids, BATCH_IDS_MAX).map_err(to_status)?;
        if viewer_id.is_empty() {
            let heads = self.0.get_heads(&chats).await.map_err(to_status)?;
            return Ok(Response::new(GetHeadsResponse { heads: heads.into_iter().map(encode_head).collect() }));
        }
        let viewer = parse_id("viewer_id", viewer_id).map_err(to_status)?;
        let wanted = if *with_receipts { WantedReceipts::OfAll } else { WantedReceipts::OfPairs };
        let heads = self.0.get_seen_heads(&chats, viewer, wanted).await.map_err(to_status)?;
        Ok(Response::new(GetHeadsResponse { heads: heads.into_iter().map(encode_seen_head).collect() }))
    }

    async fn rank_chats(&self, request: Request<RankChatsRequest>) -> Result<Response<RankChatsResponse>, Status> {
        let RankChatsRequest { chat_ids, after, limit } = request.get_ref();
        let chats = decode_ids("chat_ids", chat_ids, RANKED_CHATS_MAX).map_err(to_status)?;
        let after = after.as_ref().map(decode_rank).transpose().map_err(to_status)?;
        let limit = (*limit).min(RANKS_MAX);
        let ranks = self.0.rank_chats(&chats, after, limit).await.map_err(to_status)?;
        let ranks = ranks
            .into_iter()
            .map(|rank| PbRank { chat_id: rank.chat_id.to_string(), active_at: Some(timestamp(rank.active_at)) });
        Ok(Response::new(RankChatsResponse { ranks: ranks.collect() }))
    }

    async fn clear_history(
        &self,
        request: Request<ClearHistoryRequest>,
    ) -> Result<Response<ClearHistoryResponse>, Status> {
        let ClearHistoryRequest { chat_id, user_id } = request.get_ref();
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let user_id = parse_id("user_id", user_id).map_err(to_status)?;
        self.0.clear_history(user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(ClearHistoryResponse {}))
    }

    async fn get_messages(
        &self,
        request: Request<GetMessagesRequest>,
    ) -> Result<Response<GetMessagesResponse>, Status> {
        let ids: Vec<MessageId> =
            decode_ids("message_ids", &request.get_ref().message_ids, BATCH_IDS_MAX).map_err(to_status)?;
        let messages = self.0.get_messages(&ids).await.map_err(to_status)?;
        Ok(Response::new(GetMessagesResponse { messages: messages.iter().map(encode_message).collect() }))
    }
}

fn encode_head(head: LogHead) -> ChatHead {
    ChatHead {
        chat_id: head.chat_id.to_string(),
        last_seq: head.last_seq.get(),
        epoch: head.epoch.to_string(),
        ..ChatHead::default()
    }
}

fn encode_seen_head(seen: SeenHead) -> ChatHead {
    let chat_id = seen.head.chat_id;
    ChatHead {
        last_message: seen.last_message.as_ref().map(encode_message),
        unread_count: seen.unread_count,
        unread_mention_count: seen.unread_mention_count,
        read_seq: seen.read_seq.get(),
        pinned_message_ids: seen.pinned.into_iter().map(|seq| MessageId { chat_id, seq }.to_string()).collect(),
        receipts: seen.receipts.into_iter().map(|(user_id, cursors)| encode_receipt(user_id, cursors)).collect(),
        visible_from_seq: seen.visible_from_seq.get(),
        is_viewer_unknown: seen.is_viewer_unknown,
        ..encode_head(seen.head)
    }
}

fn decode_rank(rank: &PbRank) -> Result<ChatRank, InvalidField> {
    let chat_id = parse_id("after.chat_id", &rank.chat_id)?;
    let active_at = rank.active_at.as_ref().and_then(instant);
    Ok(ChatRank { chat_id, active_at: active_at.ok_or_else(|| InvalidField::new("after.active_at", "is no instant"))? })
}

fn decode_raise(request: &RaiseMembershipVersionRequest) -> Result<Raise, InvalidField> {
    Ok(Raise {
        chat_id: parse_id("chat_id", &request.chat_id)?,
        version: decode_version(request.membership_version)?,
        joined: decode_ids("joined_user_ids", &request.joined_user_ids, BATCH_IDS_MAX)?,
        left: decode_ids("left_user_ids", &request.left_user_ids, BATCH_IDS_MAX)?,
    })
}

fn decode_ids<T: std::str::FromStr>(field: &'static str, ids: &[String], max: usize) -> Result<Vec<T>, InvalidField> {
    if ids.len() > max {
        return Err(InvalidField::new(field, format!("must have at most {max} items")));
    }
    ids.iter().map(|id| parse_id(field, id)).collect()
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
        Some(change) if is_of_this_service(change) => {
            return Err(InvalidField::new("update.change", "is made by the message service itself"));
        }
        Some(_) => {}
    }
    let membership_version = decode_version(request.membership_version)?;
    let (announced_to, membership) = (announced_to(&update), membership(&update));
    let partial_update = partial_update(update);
    if partial_update.len() > CHANGE_BYTES_MAX {
        return Err(InvalidField::new("update.change", "must have at most 262144 bytes"));
    }
    Ok(AppendUpdate { event_id, chat_id, membership_version, partial_update, announced_to, membership })
}

/// What this service commits itself, with rows that another one does not know of.
const fn is_of_this_service(change: &Change) -> bool {
    matches!(
        change,
        Change::MessageCreated(_)
            | Change::MessageEdited(_)
            | Change::MessageDeleted(_)
            | Change::ReactionsChanged(_)
            | Change::ReceiptAdvanced(_)
            | Change::PinsChanged(_)
            | Change::LinkPreviewAdded(_)
            | Change::MessageHidden(_)
            | Change::HistoryCleared(_)
            | Change::OwnReadAdvanced(_)
            | Change::OwnReactionChanged(_)
    )
}

fn decode_version(number: u64) -> Result<MembershipVersion, InvalidField> {
    MembershipVersion::new(number).ok_or_else(|| InvalidField::new("membership_version", "must be below 2^63"))
}

fn decode_sends(request: SendMessagesRequest) -> Result<Vec<SendMessage>, InvalidField> {
    let SendMessagesRequest { chat_id, messages } = request;
    if messages.len() > SEND_MESSAGES_MAX {
        return Err(InvalidField::new("messages", "must have at most 64 items"));
    }
    let sends = messages.into_iter().map(|message| {
        let OutgoingMessage { client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } = message;
        let chat_id = chat_id.clone();
        SendMessage { chat_id, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent }
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
