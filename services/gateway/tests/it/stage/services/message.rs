use std::sync::atomic::Ordering;

use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use godwit_contract::message::v1::message_service_server::MessageService;
use godwit_contract::message::v1::*;
use godwit_contract::v1::Message;
use godwit_rpc::{Caller, InvalidField, to_status};
use tonic::{Request, Response, Status};

use super::{Answer, Services};

#[tonic::async_trait]
impl MessageService for Services {
    async fn send_message(&self, request: Request<SendMessageRequest>) -> Answer<SendMessageResponse> {
        let sender_id = Caller::of(&request)?.user_id.to_string();
        let request = request.into_inner();
        if request.text.is_empty() {
            return Err(to_status(InvalidField::new("text", "is empty")));
        }
        if request.text.starts_with("wait") {
            self.held.notify_one();
            self.sends.acquire().await.unwrap().forget();
        }
        let mut sent = self.sent.lock();
        sent.push(request.clone());
        let SendMessageRequest { chat_id, client_message_id, text, .. } = request;
        let seq = u64::try_from(sent.len()).unwrap();
        let message = Message { chat_id, client_message_id, text, sender_id, seq, ..Message::default() };
        Ok(Response::new(SendMessageResponse { message: Some(message), scheduled: None }))
    }
    async fn list_messages(&self, _: Request<ListMessagesRequest>) -> Answer<ListMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_message(&self, _: Request<GetMessageRequest>) -> Answer<GetMessageResponse> {
        Err(Status::unimplemented(""))
    }
    async fn sync_chat(&self, request: Request<SyncChatRequest>) -> Answer<SyncChatResponse> {
        let SyncChatRequest { chat_id, after_seq, epoch, .. } = request.into_inner();
        self.syncs_asked.fetch_add(1, Ordering::Relaxed);
        if epoch == "wait" {
            self.syncs.acquire().await.unwrap().forget();
        }
        let chat = ChatUpdates { chat_id, head_seq: after_seq + 1, epoch, ..ChatUpdates::default() };
        Ok(Response::new(SyncChatResponse { chat: Some(chat) }))
    }
    async fn sync(&self, request: Request<SyncRequest>) -> Answer<SyncResponse> {
        if request.into_inner().cursor == "wait" {
            self.syncs.acquire().await.unwrap().forget();
        }
        Ok(Response::new(SyncResponse::default()))
    }
    async fn forward_messages(&self, _: Request<ForwardMessagesRequest>) -> Answer<ForwardMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_message_history(&self, _: Request<GetMessageHistoryRequest>) -> Answer<GetMessageHistoryResponse> {
        Err(Status::unimplemented(""))
    }
    async fn report_message(&self, _: Request<ReportMessageRequest>) -> Answer<ReportMessageResponse> {
        Err(Status::unimplemented(""))
    }
    async fn edit_message(&self, request: Request<EditMessageRequest>) -> Answer<EditMessageResponse> {
        let sender_id = Caller::of(&request)?.user_id.to_string();
        let EditMessageRequest { message_id, text, .. } = request.into_inner();
        self.actions.lock().push(format!("edit {message_id} {text}"));
        let message = Message { id: message_id, text, sender_id, edit_count: 1, ..Message::default() };
        Ok(Response::new(EditMessageResponse { message: Some(message) }))
    }
    async fn delete_message(&self, request: Request<DeleteMessageRequest>) -> Answer<DeleteMessageResponse> {
        Caller::of(&request)?;
        let DeleteMessageRequest { message_id, is_for_me_only } = request.into_inner();
        self.actions.lock().push(format!("delete {message_id} {is_for_me_only}"));
        Ok(Response::new(DeleteMessageResponse {}))
    }
}

#[tonic::async_trait]
impl MessageInternalService for Services {
    async fn send_messages(&self, request: Request<SendMessagesRequest>) -> Answer<SendMessagesResponse> {
        let caller = Caller::of(&request)?;
        let SendMessagesRequest { chat_id, messages } = request.into_inner();
        self.bunches.lock().push(messages.len());
        let mut results = Vec::new();
        for message in messages {
            let OutgoingMessage { client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } =
                message;
            let mut request = Request::new(SendMessageRequest {
                chat_id: chat_id.clone(),
                client_message_id,
                text,
                entities,
                media_ids,
                reply_to_message_id,
                is_silent,
                send_at: None,
            });
            caller.attach(&mut request);
            let result = match self.send_message(request).await {
                Ok(answer) => send_result::Result::Message(answer.into_inner().message.unwrap()),
                Err(status) => send_result::Result::Refusal(SendRefusal {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                    details: status.details().to_vec().into(),
                }),
            };
            results.push(SendResult { result: Some(result) });
        }
        Ok(Response::new(SendMessagesResponse { results }))
    }
    async fn append_update(&self, _: Request<AppendUpdateRequest>) -> Answer<AppendUpdateResponse> {
        Err(Status::unimplemented(""))
    }
    async fn raise_membership_version(
        &self,
        _: Request<RaiseMembershipVersionRequest>,
    ) -> Answer<RaiseMembershipVersionResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_heads(&self, _: Request<GetHeadsRequest>) -> Answer<GetHeadsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn rank_chats(&self, _: Request<RankChatsRequest>) -> Answer<RankChatsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn clear_history(&self, _: Request<ClearHistoryRequest>) -> Answer<ClearHistoryResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_messages(&self, _: Request<GetMessagesRequest>) -> Answer<GetMessagesResponse> {
        Err(Status::unimplemented(""))
    }
}
