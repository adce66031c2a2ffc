use std::time::Duration;

use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::message::v1::message_service_server::MessageService as _;
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

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.caller.attach(&mut request);
        request
    }

    pub async fn send(&self, chat_id: ChatId, client_message_id: &str, text: &str) -> Result<pb::Message, Status> {
        let request = self.request(api::SendMessageRequest {
            chat_id: chat_id.to_string(),
            client_message_id: client_message_id.to_owned(),
            text: text.to_owned(),
        });
        Ok(self.server.send_message(request).await?.into_inner().message.unwrap())
    }

    /// Sends messages, each an id and a text, together.
    pub async fn send_together(
        &self,
        chat_id: ChatId,
        messages: &[(&str, &str)],
    ) -> Result<Vec<Result<pb::Message, Failure>>, Status> {
        let messages = messages
            .iter()
            .map(|(id, text)| api::OutgoingMessage { client_message_id: (*id).to_owned(), text: (*text).to_owned() });
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
        let request = self.request(api::SyncRequest { cursor: cursor.to_owned(), limit });
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
            assert_ne!(page.next_cursor, cursor, "a page makes progress");
            chats.extend(page.chats);
            cursor = page.next_cursor;
            if !page.has_more {
                return (chats, cursor);
            }
        }
    }
}
