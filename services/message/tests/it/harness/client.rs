use std::time::Duration;

use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::message::v1::message_service_server::MessageService as _;
use godwit_contract::message::v1::pin_service_server::PinService as _;
use godwit_contract::message::v1::reaction_service_server::ReactionService as _;
use godwit_contract::message::v1::receipt_service_server::ReceiptService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_message::grpc::Server;
use godwit_rpc::{Caller, Failure};
use tonic::{Code, Request, Status};

/// The stable name of a refusal.
pub fn reason(status: &Status) -> String {
    Failure::from_status(status).reason
}

/// A user's requests to one replica.
#[derive(Clone)]
pub struct Client {
    server: Server,
    caller: Caller,
}

impl Client {
    pub fn new(server: Server, user_id: UserId) -> Self {
        let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
        let device_id = DeviceId::generate(&SystemClock, &SystemEntropy);
        Self { server, caller: Caller { user_id, session_id, device_id } }
    }

    /// The replica, for calls that only one file of tests makes.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.caller.attach(&mut request);
        request
    }

    pub async fn send(&self, chat_id: ChatId, client_message_id: &str, text: &str) -> Result<pb::Message, Status> {
        let request = self.request(api::SendMessageRequest {
            chat_id: chat_id.to_string(),
            client_message_id: client_message_id.to_owned(),
            text: text.to_owned(),
            ..api::SendMessageRequest::default()
        });
        Ok(self.server.send_message(request).await?.into_inner().message.unwrap())
    }

    /// Sends a message with whatever the request holds.
    pub async fn send_full(&self, request: api::SendMessageRequest) -> Result<pb::Message, Status> {
        Ok(self.server.send_message(self.request(request)).await?.into_inner().message.unwrap())
    }

    pub async fn edit(&self, message_id: &str, text: &str) -> Result<pb::Message, Status> {
        let (message_id, text) = (message_id.to_owned(), text.to_owned());
        let request = self.request(api::EditMessageRequest { message_id, text, entities: Vec::new() });
        Ok(self.server.edit_message(request).await?.into_inner().message.unwrap())
    }

    pub async fn delete(&self, message_id: &str) -> Result<(), Status> {
        let request = api::DeleteMessageRequest { message_id: message_id.to_owned(), is_for_me_only: false };
        self.server.delete_message(self.request(request)).await.map(drop)
    }

    pub async fn hide(&self, message_id: &str) -> Result<(), Status> {
        let request = api::DeleteMessageRequest { message_id: message_id.to_owned(), is_for_me_only: true };
        self.server.delete_message(self.request(request)).await.map(drop)
    }

    pub async fn history(&self, message_id: &str) -> Result<Vec<api::MessageVersion>, Status> {
        let request = self.request(api::GetMessageHistoryRequest { message_id: message_id.to_owned() });
        Ok(self.server.get_message_history(request).await?.into_inner().versions)
    }

    /// Reacts, or with an empty emoji takes the reaction away.
    pub async fn react(&self, message_id: &str, emoji: &str) -> Result<(), Status> {
        let message_id = message_id.to_owned();
        if emoji.is_empty() {
            return self
                .server
                .remove_reaction(self.request(api::RemoveReactionRequest { message_id }))
                .await
                .map(drop);
        }
        let request = api::SetReactionRequest { message_id, emoji: emoji.to_owned() };
        self.server.set_reaction(self.request(request)).await.map(drop)
    }

    pub async fn reactions(&self, request: api::ListReactionsRequest) -> Result<api::ListReactionsResponse, Status> {
        Ok(self.server.list_reactions(self.request(request)).await?.into_inner())
    }

    pub async fn read(&self, chat_id: ChatId, seq: u64) -> Result<pb::Receipt, Status> {
        let request = self.request(api::MarkReadRequest { chat_id: chat_id.to_string(), seq });
        Ok(self.server.mark_read(request).await?.into_inner().receipt.unwrap())
    }

    pub async fn read_message(&self, message_id: &str) -> Result<pb::Receipt, Status> {
        let request = self.request(api::MarkMessageReadRequest { message_id: message_id.to_owned() });
        Ok(self.server.mark_message_read(request).await?.into_inner().receipt.unwrap())
    }

    pub async fn deliver(&self, chat_id: ChatId, seq: u64) -> Result<pb::Receipt, Status> {
        let request = self.request(api::MarkDeliveredRequest { chat_id: chat_id.to_string(), seq });
        Ok(self.server.mark_delivered(request).await?.into_inner().receipt.unwrap())
    }

    pub async fn receipts(&self, message_id: &str) -> Result<api::GetReceiptsResponse, Status> {
        let request = self.request(api::GetReceiptsRequest { message_id: message_id.to_owned() });
        Ok(self.server.get_receipts(request).await?.into_inner())
    }

    pub async fn pin(&self, chat_id: ChatId, message_id: &str) -> Result<(), Status> {
        let (chat_id, message_id) = (chat_id.to_string(), message_id.to_owned());
        self.server.pin_message(self.request(api::PinMessageRequest { chat_id, message_id })).await.map(drop)
    }

    pub async fn unpin(&self, chat_id: ChatId, message_id: &str) -> Result<(), Status> {
        let (chat_id, message_id) = (chat_id.to_string(), message_id.to_owned());
        self.server.unpin_message(self.request(api::UnpinMessageRequest { chat_id, message_id })).await.map(drop)
    }

    pub async fn pins(&self, chat_id: ChatId) -> Result<Vec<pb::Message>, Status> {
        let request = self.request(api::ListPinsRequest { chat_id: chat_id.to_string() });
        Ok(self.server.list_pins(request).await?.into_inner().messages)
    }

    /// Deletes the history of a chat for the user.
    pub async fn clear(&self, chat_id: ChatId) -> Result<(), Status> {
        let (chat_id, user_id) = (chat_id.to_string(), self.caller.user_id.to_string());
        self.server.clear_history(Request::new(api::ClearHistoryRequest { chat_id, user_id })).await.map(drop)
    }

    /// A chat's head as the user sees it.
    pub async fn head(&self, chat_id: ChatId) -> api::ChatHead {
        let request = api::GetHeadsRequest {
            chat_ids: vec![chat_id.to_string()],
            viewer_id: self.caller.user_id.to_string(),
            with_receipts: true,
        };
        let heads = self.server.get_heads(Request::new(request)).await.unwrap().into_inner().heads;
        heads.into_iter().next().unwrap()
    }

    /// What is there for the user of a chat's newest 200 messages, the newest first.
    pub async fn messages(&self, chat_id: ChatId) -> Vec<pb::Message> {
        let request = api::ListMessagesRequest { chat_id: chat_id.to_string(), limit: 200, ..Default::default() };
        self.list(request).await.unwrap().messages
    }

    /// Sends messages, each an id and a text, together.
    pub async fn send_together(
        &self,
        chat_id: ChatId,
        messages: &[(&str, &str)],
    ) -> Result<Vec<Result<pb::Message, Failure>>, Status> {
        let messages = messages.iter().map(|(id, text)| api::OutgoingMessage {
            client_message_id: (*id).to_owned(),
            text: (*text).to_owned(),
            ..api::OutgoingMessage::default()
        });
        let request = api::SendMessagesRequest { chat_id: chat_id.to_string(), messages: messages.collect() };
        let answer = self.server.send_messages(self.request(request)).await?.into_inner();
        let results = answer.results.into_iter().map(|result| match result.result.unwrap() {
            api::send_result::Result::Message(message) => Ok(message),
            api::send_result::Result::Refusal(refusal) => {
                let status = Status::with_details(Code::from_i32(refusal.code), refusal.message, refusal.details);
                Err(Failure::from_status(&status))
            }
        });
        Ok(results.collect())
    }

    /// Sends until it is acknowledged, as clients do: again with the same id while the service is unavailable.
    pub async fn send_until_acked(&self, chat_id: ChatId, client_message_id: &str, text: &str) -> pb::Message {
        loop {
            match self.send(chat_id, client_message_id, text).await {
                Ok(message) => return message,
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(status) => panic!("{status:?}"),
            }
        }
    }

    pub async fn list(&self, request: api::ListMessagesRequest) -> Result<api::ListMessagesResponse, Status> {
        Ok(self.server.list_messages(self.request(request)).await?.into_inner())
    }

    pub async fn get(&self, message_id: &str) -> Result<pb::Message, Status> {
        let request = self.request(api::GetMessageRequest { message_id: message_id.to_owned() });
        Ok(self.server.get_message(request).await?.into_inner().message.unwrap())
    }

    pub async fn sync_chat(
        &self,
        chat_id: ChatId,
        after_seq: u64,
        limit: u32,
        epoch: &str,
    ) -> Result<api::ChatUpdates, Status> {
        let chat_id = chat_id.to_string();
        let request = self.request(api::SyncChatRequest { chat_id, after_seq, limit, epoch: epoch.to_owned() });
        Ok(self.server.sync_chat(request).await?.into_inner().chat.unwrap())
    }

    /// All updates of a chat, page by page.
    pub async fn whole_log(&self, chat_id: ChatId, limit: u32) -> Vec<pb::Update> {
        let mut updates: Vec<pb::Update> = Vec::new();
        loop {
            let after = updates.last().map_or(0, |update| update.seq);
            let page = self.sync_chat(chat_id, after, limit, "").await.unwrap();
            assert!(!page.reset);
            updates.extend(page.updates);
            if !page.has_more {
                assert_eq!(updates.last().map_or(0, |update| update.seq), page.head_seq);
                return updates;
            }
        }
    }

    pub async fn sync(&self, cursor: &str, limit: u32) -> Result<api::SyncResponse, Status> {
        let request = self.request(api::SyncRequest { cursor: cursor.to_owned(), limit, with_state: false });
        Ok(self.server.sync(request).await?.into_inner())
    }

    /// A whole round from a cursor: what it gives, and the cursor after it.
    pub async fn sync_all(&self, cursor: &str, limit: u32) -> (Vec<api::ChatUpdates>, String) {
        let mut chats = Vec::new();
        let mut cursor = cursor.to_owned();
        loop {
            let page = self.sync(&cursor, limit).await.unwrap();
            assert!(!page.reset);
            assert!(page.chats.iter().map(|chat| chat.updates.len()).sum::<usize>() <= limit as usize);
            assert!(!page.has_more || page.next_cursor != cursor, "a page makes progress");
            chats.extend(page.chats);
            cursor = page.next_cursor;
            if !page.has_more {
                return (chats, cursor);
            }
        }
    }
}
