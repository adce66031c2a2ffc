use godwit_contract::search::v1::{SearchMessagesRequest, SearchMessagesResponse};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /search/messages`: messages of the caller's chats that match.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_messages(&self, request: &SearchMessagesRequest) -> Result<SearchMessagesResponse, Error> {
        let target = self.http().get(&["search", "messages"]).query("q", &request.q);
        let target = target.query_unless_empty("chat_id", &request.chat_id);
        let target = target.query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }
}
