use godwit_contract::search::v1::{
    MessageKind, SearchChannelsRequest, SearchChannelsResponse, SearchMessagesRequest, SearchMessagesResponse,
    SearchOrder, SearchRequest, SearchResponse, SearchUsersRequest, SearchUsersResponse,
};
use pbjson_types::Timestamp;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /search/messages`: messages of the caller's chats that match.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_messages(&self, request: &SearchMessagesRequest) -> Result<SearchMessagesResponse, Error> {
        let (kind, order) = (request.kind(), request.order());
        let kind = if kind == MessageKind::Unspecified { "" } else { kind.as_str_name() };
        let order = if order == SearchOrder::Unspecified { "" } else { order.as_str_name() };
        let target = self.http().get(&["search", "messages"]).query_unless_empty("q", &request.q);
        let target = target.query_unless_empty("chat_id", &request.chat_id);
        let target = target.query_unless_empty("sender_id", &request.sender_id);
        let target = target.query_unless_empty("from", &instant(request.from.as_ref()));
        let target = target.query_unless_empty("to", &instant(request.to.as_ref()));
        let target = target.query_unless_empty("kind", kind).query_unless_empty("order", order);
        let target = target.query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `GET /search`: people, public channels and messages, the best of each.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let target = self.http().get(&["search"]).query("q", &request.q);
        self.call(target.query_unless_zero("limit", request.limit.into())).await
    }

    /// `GET /search/channels`: public channels by handle or title.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_channels(&self, request: &SearchChannelsRequest) -> Result<SearchChannelsResponse, Error> {
        let target = self.http().get(&["search", "channels"]).query("q", &request.q);
        self.call(target.query_unless_zero("limit", request.limit.into())).await
    }

    /// `GET /search/users`: people by username or display name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_users(&self, request: &SearchUsersRequest) -> Result<SearchUsersResponse, Error> {
        let target = self.http().get(&["search", "users"]).query("q", &request.q);
        self.call(target.query_unless_zero("limit", request.limit.into())).await
    }
}

/// As ProtoJSON has it; empty when there is none.
fn instant(at: Option<&Timestamp>) -> String {
    let text = at.and_then(|at| serde_json::to_value(at).ok());
    text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
}
