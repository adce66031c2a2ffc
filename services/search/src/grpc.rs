//! The contract: decode, call the use case, encode.

use std::sync::Arc;

use godwit_contract::chat::v1::GetChannelResponse;
use godwit_contract::search::v1::search_service_server::SearchService;
use godwit_contract::search::v1::{
    ChannelHit, Highlights, MessageKind, SearchChannelsRequest, SearchChannelsResponse, SearchMessagesRequest,
    SearchMessagesResponse, SearchOrder, SearchRequest, SearchResponse, SearchUsersRequest, SearchUsersResponse,
    TextRange,
};
use godwit_kernel::limits;
use godwit_rpc::{Caller, InvalidField, instant, parse_id, to_status};
use pbjson_types::Timestamp;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use crate::app::{App, Hit, Hits, MessageSearch, Order};
use crate::domain::text::utf16_ranges;
use crate::domain::{Cursor, InvalidCursor, Kind, NameQuery, Query};

/// Names of a list when the caller names no limit, and the most.
const NAMES: (u32, u32) = (20, 50);
/// Of each kind of a search for everything.
const EVERYTHING: (u32, u32) = (10, 20);
/// Parts of one text that are shown to match.
const HIGHLIGHTS_MAX: usize = 100;

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
        let hits = self.app.search_messages(caller.user_id, &search).await.map_err(to_status)?;
        Ok(Response::new(encode(hits)))
    }

    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SearchRequest { q, limit } = request.get_ref();
        let query = decode_query(q).map_err(to_status)?;
        let name = NameQuery::parse(q).ok();
        let limit = page_size(*limit, EVERYTHING);
        let found = self.app.search_all(&caller, query, name.as_ref(), limit).await.map_err(to_status)?;
        Ok(Response::new(SearchResponse {
            users: found.users,
            channels: found.channels.into_iter().map(encode_channel).collect(),
            messages: Some(encode(found.messages)),
        }))
    }

    async fn search_channels(
        &self,
        request: Request<SearchChannelsRequest>,
    ) -> Result<Response<SearchChannelsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SearchChannelsRequest { q, limit } = request.get_ref();
        let name = decode_name(q).map_err(to_status)?;
        let channels = self.app.search_channels(&caller, &name, page_size(*limit, NAMES)).await.map_err(to_status)?;
        let channels = channels.into_iter().map(encode_channel).collect();
        Ok(Response::new(SearchChannelsResponse { channels }))
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<SearchUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SearchUsersRequest { q, limit } = request.get_ref();
        let name = decode_name(q).map_err(to_status)?;
        let users = self.app.search_users(caller.user_id, &name, page_size(*limit, NAMES)).await.map_err(to_status)?;
        Ok(Response::new(SearchUsersResponse { users }))
    }
}

fn decode(request: &SearchMessagesRequest) -> Result<MessageSearch, InvalidField> {
    let search = MessageSearch {
        query: some(&request.q).map(decode_query).transpose()?,
        chat_id: some(&request.chat_id).map(|id| parse_id("chat_id", id)).transpose()?,
        sender_id: some(&request.sender_id).map(|id| parse_id("sender_id", id)).transpose()?,
        from: decode_instant("from", request.from.as_ref())?,
        to: decode_instant("to", request.to.as_ref())?,
        kind: decode_kind(request.kind)?,
        order: decode_order(request.order)?,
        after: some(&request.cursor).map(decode_cursor).transpose()?,
        limit: page_size(request.limit, (limits::PAGE_DEFAULT, limits::PAGE_MAX)),
    };
    let is_open = search.chat_id.is_none() && search.sender_id.is_none() && search.kind.is_none();
    if search.query.is_none() && is_open {
        return Err(InvalidField::new("q", "is missing"));
    }
    Ok(search)
}

fn decode_query(text: &str) -> Result<Query, InvalidField> {
    Query::parse(text).map_err(|problem| InvalidField::new("q", problem.to_string()))
}

fn decode_name(text: &str) -> Result<NameQuery, InvalidField> {
    NameQuery::parse(text).map_err(|problem| InvalidField::new("q", problem.to_string()))
}

fn decode_cursor(text: &str) -> Result<Cursor, InvalidField> {
    text.parse().map_err(|problem: InvalidCursor| InvalidField::new("cursor", problem.to_string()))
}

fn decode_instant(field: &'static str, at: Option<&Timestamp>) -> Result<Option<OffsetDateTime>, InvalidField> {
    at.map(|at| instant(at).ok_or_else(|| InvalidField::new(field, "is no instant"))).transpose()
}

fn decode_kind(number: i32) -> Result<Option<Kind>, InvalidField> {
    let kind = match MessageKind::try_from(number) {
        Ok(MessageKind::Unspecified) => return Ok(None),
        Ok(MessageKind::Photo) => Kind::Photo,
        Ok(MessageKind::Video) => Kind::Video,
        Ok(MessageKind::Voice) => Kind::Voice,
        Ok(MessageKind::Audio) => Kind::Audio,
        Ok(MessageKind::File) => Kind::File,
        Ok(MessageKind::Link) => Kind::Link,
        Err(_) => return Err(InvalidField::new("kind", "is not known")),
    };
    Ok(Some(kind))
}

fn decode_order(number: i32) -> Result<Order, InvalidField> {
    match SearchOrder::try_from(number) {
        Ok(SearchOrder::Unspecified | SearchOrder::Newest) => Ok(Order::Newest),
        Ok(SearchOrder::Relevance) => Ok(Order::Relevance),
        Err(_) => Err(InvalidField::new("order", "is not known")),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn page_size(asked: u32, (default, max): (u32, u32)) -> usize {
    usize::try_from(limits::page_size(asked, default, max)).unwrap_or(usize::MAX)
}

fn encode(hits: Hits) -> SearchMessagesResponse {
    let highlights = hits.hits.iter().map(highlights).collect();
    SearchMessagesResponse {
        messages: hits.hits.into_iter().map(|hit| hit.message).collect(),
        next_cursor: hits.next.map(|cursor| cursor.to_string()).unwrap_or_default(),
        highlights,
    }
}

fn highlights(hit: &Hit) -> Highlights {
    let shown = hit.found.ranges.get(..HIGHLIGHTS_MAX).unwrap_or(&hit.found.ranges);
    let ranges = utf16_ranges(&hit.message.text, shown).into_iter();
    Highlights { ranges: ranges.map(|(offset, length)| TextRange { offset, length }).collect() }
}

fn encode_channel(channel: GetChannelResponse) -> ChannelHit {
    let GetChannelResponse { chat_id, info, subscriber_count, is_subscribed } = channel;
    ChannelHit { chat_id, info, subscriber_count, is_subscribed }
}
