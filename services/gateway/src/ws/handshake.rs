use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::web::{self, Data, Path, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use godwit_kernel::ChatId;
use godwit_kernel::limits::CLIENT_FRAME_BYTES;
use serde::Deserialize;

use super::connection::{self, Opening};
use super::frames::Encoding;
use super::socket::Scope;
use crate::Error;
use crate::edge::{Edge, bearer};
use crate::http::Problem;

/// How an access token travels among the subprotocols, for browsers, which cannot set headers.
const BEARER_PROTOCOL: &str = "bearer.";

#[derive(Deserialize)]
struct TokenQuery {
    token: Option<String>,
}

/// `/ws/me` and `/ws/{chat_id}`.
pub fn configure(app: &mut ServiceConfig) {
    app.route("/ws/me", web::get().to(open_user));
    app.route("/ws/{chat_id}", web::get().to(open_chat));
}

async fn open_user(request: HttpRequest, payload: Payload, edge: Data<Edge>) -> HttpResponse {
    open(&request, payload, Scope::User, edge)
}

async fn open_chat(request: HttpRequest, payload: Payload, path: Path<String>, edge: Data<Edge>) -> HttpResponse {
    match path.parse::<ChatId>() {
        Ok(chat) => open(&request, payload, Scope::Chat(chat), edge),
        Err(_) => Problem::route_not_found().respond(&edge.request_id()),
    }
}

/// Takes a socket in. Whoever may not have one is told by a close code, which browsers show to a page, unlike the
/// status of a handshake; only pages of other sites and a gateway that is full refuse the handshake.
fn open(request: &HttpRequest, payload: Payload, scope: Scope, edge: Data<Edge>) -> HttpResponse {
    let request_id = edge.request_id();
    if let Err(refused) = check(request, &edge) {
        return Problem::from(refused).respond(&request_id);
    }
    let upgraded = actix_ws::handle_with_protocols(request, payload, &Encoding::PROTOCOLS);
    let Ok((response, session, stream)) = upgraded else {
        return Problem::upgrade_required().respond(&request_id);
    };
    let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|protocol| protocol.to_str().ok());
    let opening = Opening {
        scope,
        token: token(request),
        encoding: Encoding::of_protocol(protocol),
        client_address: edge.client_address(request),
        request_id,
        edge: edge.into_inner(),
    };
    let stream = stream.max_frame_size(CLIENT_FRAME_BYTES).aggregate_continuations();
    connection::start(opening, session, stream.max_continuation_size(CLIENT_FRAME_BYTES));
    response
}

fn check(request: &HttpRequest, edge: &Edge) -> Result<(), Error> {
    if !edge.allows_origin(request) {
        return Err(Error::OriginForbidden);
    }
    edge.hub.check_room()
}

/// The access token, from wherever a client can put it.
fn token(request: &HttpRequest) -> Option<String> {
    let from_protocols = || {
        let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).find_map(|protocol| protocol.trim().strip_prefix(BEARER_PROTOCOL))
    };
    let from_query = || Query::<TokenQuery>::from_query(request.query_string()).ok()?.into_inner().token;
    bearer(request.headers()).or_else(from_protocols).map(str::to_owned).or_else(from_query)
}
