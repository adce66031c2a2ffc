//! The contract: decode, call the use case, encode.

use std::sync::Arc;

use godwit_contract::search::v1::search_service_server::SearchService;
use godwit_contract::search::v1::{SearchMessagesRequest, SearchMessagesResponse};
use godwit_contract::v1::Message;
use godwit_kernel::{MessageId, limits};
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, MessageSearch};
use crate::domain::{Cursor, IndexedMessage, Query};

/// `godwit.search.v1.SearchService`.
pub struct SearchGrpc {
    app: Arc<App>,
}

impl SearchGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl SearchService for SearchGrpc {
    async fn search_messages(
        &self,
        request: Request<SearchMessagesRequest>,
    ) -> Result<Response<SearchMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let search = decode(&request.into_inner()).map_err(to_status)?;
        let hits = self.app.search_messages(caller.user_id, search).await.map_err(to_status)?;
        Ok(Response::new(SearchMessagesResponse {
            messages: hits.messages.into_iter().map(encode).collect(),
            next_cursor: hits.next.map(|cursor| cursor.to_string()).unwrap_or_default(),
        }))
    }
}

fn decode(request: &SearchMessagesRequest) -> Result<MessageSearch, InvalidField> {
    Ok(MessageSearch {
        query: Query::parse(&request.q).map_err(|problem| InvalidField::new("q", problem.to_string()))?,
        chat_id: some(&request.chat_id).map(|id| parse_id("chat_id", id)).transpose()?,
        before: some(&request.cursor).map(decode_cursor).transpose()?,
        limit: limits::page_size(request.limit, limits::PAGE_DEFAULT, limits::PAGE_MAX),
    })
}

fn decode_cursor(text: &str) -> Result<Cursor, InvalidField> {
    text.parse().map_err(|problem: crate::domain::InvalidCursor| InvalidField::new("cursor", problem.to_string()))
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn encode(message: IndexedMessage) -> Message {
    let id = MessageId { chat_id: message.chat_id, seq: message.seq };
    Message {
        id: id.to_string(),
        chat_id: message.chat_id.to_string(),
        seq: message.seq.get(),
        sender_id: message.sender_id.to_string(),
        client_message_id: message.client_message_id,
        text: message.text,
        sent_at: Some(timestamp(message.sent_at)),
        ..Message::default()
    }
}
