use std::convert::Infallible;

use actix_codec::Framed;
use actix_http::body::{BodySize, BoxBody, MessageBody as _};
use actix_http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_http::{HttpMessage as _, Request, Response, h1, ws};
use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use futures_util::SinkExt as _;
use godwit_kernel::ChatId;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

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

/// Tells who asks for `/ws/me` and `/ws/{chat_id}` by mere HTTP that they are for WebSockets.
pub fn configure(app: &mut ServiceConfig) {
    app.route("/ws/me", web::get().to(no_upgrade));
    app.route("/ws/{chat_id}", web::get().to(no_upgrade_of_chat));
}

async fn no_upgrade(edge: Data<Edge>) -> HttpResponse {
    Problem::upgrade_required().respond(&edge.request_id())
}

async fn no_upgrade_of_chat(path: Path<String>, edge: Data<Edge>) -> HttpResponse {
    match path.parse::<ChatId>() {
        Ok(_) => no_upgrade(edge).await,
        Err(_) => Problem::route_not_found().respond(&edge.request_id()),
    }
}

/// Takes a connection that asks to become a WebSocket out of the HTTP server, or answers it. Whoever may not have a socket
/// is told by a close code, which browsers show to a page, unlike the status of a handshake; only pages of other sites and
/// a gateway that is full refuse the handshake.
pub async fn upgrade(
    edge: Data<Edge>,
    request: Request,
    mut framed: Framed<TcpStream, h1::Codec>,
) -> Result<(), Infallible> {
    let request_id = edge.request_id();
    match open(&request, request_id.clone(), &edge) {
        Ok((opening, accepted)) => {
            if answer(&mut framed, accepted, &edge).await.is_ok() {
                let parts = framed.into_parts();
                connection::start(opening, parts.io, &parts.read_buf);
            }
        }
        Err(problem) => {
            if answer(&mut framed, problem.respond(&request_id).into(), &edge).await.is_ok() {
                connection::linger(&mut framed.into_parts().io).await;
            }
        }
    }
    Ok(())
}

/// The socket that is asked for, and the answer that opens it.
fn open(request: &Request, request_id: String, edge: &Data<Edge>) -> Result<(Opening, Response<BoxBody>), Problem> {
    let scope = scope(request.path()).ok_or_else(Problem::route_not_found)?;
    let mut response = ws::handshake(request.head()).map_err(|_| Problem::upgrade_required())?;
    if !edge.allows_origin(request.headers()) {
        return Err(Error::OriginForbidden.into());
    }
    edge.hub.check_open()?;
    let client_address = edge.client_address_of(request.headers(), request.peer_addr());
    let place = edge.admission.enter(client_address)?;
    let protocol = protocols(request).find_map(|asked| Encoding::PROTOCOLS.into_iter().find(|known| *known == asked));
    if let Some(protocol) = protocol {
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    let opening = Opening {
        scope,
        token: token(request),
        encoding: Encoding::of_protocol(protocol),
        client_address,
        request_id,
        edge: Data::clone(edge).into_inner(),
        place,
    };
    Ok((opening, response.finish().map_into_boxed_body()))
}

/// What the socket at this path shows.
fn scope(path: &str) -> Option<Scope> {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    match path.strip_prefix("/ws/")? {
        "me" => Some(Scope::User),
        chat => chat.parse().ok().map(Scope::Chat),
    }
}

/// Writes an answer whole.
async fn answer(framed: &mut Framed<TcpStream, h1::Codec>, response: Response<BoxBody>, edge: &Edge) -> Result<(), ()> {
    let (head, body) = response.into_parts();
    let size = body.size();
    let bytes = body.try_into_bytes().unwrap_or_default();
    let written = async {
        framed.feed(h1::Message::Item((head, size))).await?;
        if !matches!(size, BodySize::None) {
            framed.feed(h1::Message::Chunk(Some(bytes))).await?;
            framed.feed(h1::Message::Chunk(None)).await?;
        }
        framed.flush().await
    };
    match timeout(edge.config.write_timeout(), written).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

fn protocols(request: &Request) -> impl Iterator<Item = &str> {
    let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// The access token, from wherever a client can put it.
fn token(request: &Request) -> Option<String> {
    let from_protocols = || protocols(request).find_map(|protocol| protocol.strip_prefix(BEARER_PROTOCOL));
    let from_query = || Query::<TokenQuery>::from_query(request.uri().query()?).ok()?.into_inner().token;
    bearer(request.headers()).or_else(from_protocols).map(str::to_owned).or_else(from_query)
}
