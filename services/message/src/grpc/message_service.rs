use std::str::FromStr;

use godwit_contract::message::v1::message_service_server::MessageService;
use godwit_contract::message::v1::{
    DeleteMessageRequest, DeleteMessageResponse, EditMessageRequest, EditMessageResponse, ForwardMessagesRequest,
    ForwardMessagesResponse, ForwardResult, GetMessageHistoryRequest, GetMessageHistoryResponse, GetMessageRequest,
    GetMessageResponse, ListMessagesRequest, ListMessagesResponse, MessageVersion, ReportMessageRequest,
    ReportMessageResponse, SendMessageRequest, SendMessageResponse, SyncChatRequest, SyncChatResponse, SyncRequest,
    SyncResponse,
};
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, RESUME_MAX, SYNC_CHAT_DEFAULT, SYNC_DEFAULT, SYNC_MAX, page_size};
use godwit_kernel::{MessageId, Seq};
use godwit_rpc::{Caller, InvalidField, idempotency_key, instant, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::scheduled_service::no_instant;
use super::{Server, decode_seq, encode_page, or_key};
use crate::app::{ChatCursor, EditMessage, ListMessages, Place, ReportMessage, ScheduleMessage, SendMessage};
use crate::domain::{ClientForwardId, Direction, FORWARD_TARGETS_MAX, FORWARDED_MAX, Forward, ReportComment};
use crate::error::Error;
use crate::wire::{decode_report_reason, encode_entities, encode_message, encode_scheduled};

#[async_trait]
impl MessageService for Server {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let SendMessageRequest {
            chat_id,
            client_message_id,
            text,
            entities,
            media_ids,
            reply_to_message_id,
            is_silent,
            send_at,
        } = request.into_inner();
        let client_message_id = or_key(client_message_id, key);
        let send =
            SendMessage { chat_id, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent };
        if let Some(send_at) = send_at {
            let schedule = ScheduleMessage { send, send_at: instant(&send_at).ok_or_else(no_instant)? };
            let scheduled = self.0.schedule_message(caller.user_id, schedule).await.map_err(to_status)?;
            let scheduled = Some(encode_scheduled(&scheduled));
            return Ok(Response::new(SendMessageResponse { message: None, scheduled }));
        }
        let message = self.0.send_message(caller.user_id, send).await.map_err(to_status)?;
        Ok(Response::new(SendMessageResponse { message: Some(encode_message(&message)), scheduled: None }))
    }

    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let list = decode_list(request.get_ref()).map_err(to_status)?;
        let found = self.0.list_messages(caller.user_id, list).await.map_err(to_status)?;
        let messages = found.messages.iter().map(encode_message).collect();
        Ok(Response::new(ListMessagesResponse { messages, has_more: found.has_more, has_newer: found.has_newer }))
    }

    async fn get_message(&self, request: Request<GetMessageRequest>) -> Result<Response<GetMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id: MessageId = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        let message = self.0.get_message(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(GetMessageResponse { message: Some(encode_message(&message)) }))
    }

    async fn sync_chat(&self, request: Request<SyncChatRequest>) -> Result<Response<SyncChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let cursor = decode_cursor(request.into_inner()).map_err(to_status)?;
        let page = self.0.sync_chat(caller.user_id, cursor).await.map_err(to_status)?;
        Ok(Response::new(SyncChatResponse { chat: Some(encode_page(page).map_err(to_status)?) }))
    }

    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<SyncResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SyncRequest { cursor, limit, with_state } = request.get_ref();
        let limit = page_size(*limit, SYNC_DEFAULT, RESUME_MAX);
        let page = self.0.sync_account(caller.user_id, cursor, limit).await.map_err(to_status)?;
        // After the log, so that it is no older.
        let state = if *with_state { self.0.unlogged_state(caller.user_id).await } else { None };
        let chats = page.chats.into_iter().map(encode_page).collect::<Result<_, Error>>().map_err(to_status)?;
        Ok(Response::new(SyncResponse {
            chats,
            next_cursor: page.next_cursor,
            has_more: page.has_more,
            reset: page.reset,
            state,
        }))
    }

    async fn forward_messages(
        &self,
        request: Request<ForwardMessagesRequest>,
    ) -> Result<Response<ForwardMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let forward = decode_forward(request.into_inner()).map_err(to_status)?;
        let results = self.0.forward_messages(caller.user_id, forward).await.map_err(to_status)?;
        let results = results.into_iter().map(|forwarded| ForwardResult {
            chat_id: forwarded.chat_id.to_string(),
            messages: forwarded.messages.iter().map(encode_message).collect(),
            failure: forwarded.failure.unwrap_or_default().to_owned(),
        });
        Ok(Response::new(ForwardMessagesResponse { results: results.collect() }))
    }

    async fn edit_message(
        &self,
        request: Request<EditMessageRequest>,
    ) -> Result<Response<EditMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let EditMessageRequest { message_id, text, entities } = request.into_inner();
        let edit = EditMessage { message_id, text, entities };
        let message = self.0.edit_message(caller.user_id, edit).await.map_err(to_status)?;
        Ok(Response::new(EditMessageResponse { message: Some(encode_message(&message)) }))
    }

    async fn delete_message(
        &self,
        request: Request<DeleteMessageRequest>,
    ) -> Result<Response<DeleteMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let DeleteMessageRequest { message_id, is_for_me_only } = request.get_ref();
        let id = parse_id("message_id", message_id).map_err(to_status)?;
        let deleted = if *is_for_me_only {
            self.0.hide_message(caller.user_id, id).await
        } else {
            self.0.delete_message(caller.user_id, id).await
        };
        deleted.map_err(to_status)?;
        Ok(Response::new(DeleteMessageResponse {}))
    }

    async fn get_message_history(
        &self,
        request: Request<GetMessageHistoryRequest>,
    ) -> Result<Response<GetMessageHistoryResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        let versions = self.0.get_message_history(caller.user_id, id).await.map_err(to_status)?;
        let versions = versions.into_iter().map(|version| MessageVersion {
            text: version.text.as_str().to_owned(),
            entities: encode_entities(&version.entities),
            written_at: Some(timestamp(version.written_at)),
        });
        Ok(Response::new(GetMessageHistoryResponse { versions: versions.collect() }))
    }

    async fn report_message(
        &self,
        request: Request<ReportMessageRequest>,
    ) -> Result<Response<ReportMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let report = decode_report(request.into_inner()).map_err(to_status)?;
        self.0.report_message(caller.user_id, report).await.map_err(to_status)?;
        Ok(Response::new(ReportMessageResponse {}))
    }
}

fn decode_forward(request: ForwardMessagesRequest) -> Result<Forward, InvalidField> {
    let ForwardMessagesRequest { message_ids, chat_ids, client_forward_id, is_silent } = request;
    Ok(Forward {
        message_ids: decode_ids("message_ids", &message_ids, FORWARDED_MAX)?,
        chat_ids: decode_ids("chat_ids", &chat_ids, FORWARD_TARGETS_MAX)?,
        client_forward_id: ClientForwardId::parse(client_forward_id)
            .map_err(|violation| InvalidField::new("client_forward_id", violation.0))?,
        is_silent,
    })
}

/// At least one id, at most `max`, and none twice.
fn decode_ids<T: FromStr + PartialEq>(field: &'static str, ids: &[String], max: usize) -> Result<Vec<T>, InvalidField> {
    if ids.is_empty() || ids.len() > max {
        return Err(InvalidField::new(field, format!("must have 1 to {max} items")));
    }
    let mut decoded: Vec<T> = Vec::with_capacity(ids.len());
    for id in ids {
        let id = parse_id(field, id)?;
        if decoded.contains(&id) {
            return Err(InvalidField::new(field, "must not name one twice"));
        }
        decoded.push(id);
    }
    Ok(decoded)
}

fn decode_report(request: ReportMessageRequest) -> Result<ReportMessage, InvalidField> {
    let ReportMessageRequest { message_id, reason, comment } = request;
    Ok(ReportMessage {
        message_id: parse_id("message_id", &message_id)?,
        reason: decode_report_reason(reason).ok_or_else(|| InvalidField::new("reason", "is missing or not known"))?,
        comment: ReportComment::parse(comment).map_err(|violation| InvalidField::new("comment", violation.0))?,
    })
}

fn decode_list(request: &ListMessagesRequest) -> Result<ListMessages, InvalidField> {
    let place = match (request.before_seq, request.after_seq, request.around_seq) {
        (None, None, None) => Place::Beside(Direction::Before(Seq::from_i64(i64::MAX))),
        (Some(before), None, None) => Place::Beside(Direction::Before(decode_seq("before_seq", before)?)),
        (None, Some(after), None) => Place::Beside(Direction::After(decode_seq("after_seq", after)?)),
        (None, None, Some(around)) => Place::Around(decode_seq("around_seq", around)?),
        _ => return Err(InvalidField::new("after_seq", "must not be given together with before_seq or around_seq")),
    };
    let chat_id = parse_id("chat_id", &request.chat_id)?;
    Ok(ListMessages { chat_id, place, limit: page_size(request.limit, PAGE_DEFAULT, PAGE_MAX) })
}

fn decode_cursor(request: SyncChatRequest) -> Result<ChatCursor, InvalidField> {
    Ok(ChatCursor {
        chat_id: parse_id("chat_id", &request.chat_id)?,
        after: decode_seq("after_seq", request.after_seq)?,
        epoch: request.epoch,
        limit: page_size(request.limit, SYNC_CHAT_DEFAULT, SYNC_MAX),
    })
}
