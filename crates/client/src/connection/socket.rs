//! One WebSocket: frames in and out in either encoding, every wait bounded.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use godwit_contract::json;
use godwit_contract::v1::{ClientFrame, ServerFrame};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use crate::options::Encoding;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest frame taken from a server.
const FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Of reads; the library's default of 128 KiB is much for a phone with one quiet socket.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// An open socket.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
}

/// Why a socket did not open.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The token is not accepted.
    Unauthorized,
    /// The server will not have this client.
    Forbidden,
    /// Anything else: try again, not before the pause that the server named.
    Failed { reason: String, retry_after: Option<Duration> },
}

/// Why a socket is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The server closed it with this code.
    Closed(u16),
    /// It broke.
    Broken,
}

impl Socket {
    pub(super) async fn connect(url: &Url, token: &str, encoding: Encoding) -> Result<Self, ConnectError> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(FRAME_BYTES))
            .max_frame_size(Some(FRAME_BYTES));
        let mut request = url.as_str().into_client_request().map_err(failed)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(failed)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(encoding.subprotocol()));
        match timeout(CONNECT_TIMEOUT, connect_async_with_config(request, Some(config), true)).await {
            Ok(Ok((stream, _))) => Ok(Self { stream, encoding }),
            Ok(Err(tungstenite::Error::Http(response))) => Err(refusal(&response)),
            Ok(Err(error)) => Err(failed(error)),
            Err(elapsed) => Err(failed(elapsed)),
        }
    }

    /// The next frame. Frames of a kind that this version does not know have no content. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<ServerFrame, Lost> {
        loop {
            let message = match self.stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the socket broke");
                    return Err(Lost::Broken);
                }
                None => return Err(Lost::Broken),
            };
            match message {
                Message::Binary(bytes) => return Ok(ServerFrame::decode(bytes).unwrap_or_else(|error| unknown(&error))),
                Message::Text(text) => {
                    return Ok(json::read(text.as_bytes()).unwrap_or_else(|error| unknown(&error)));
                }
                Message::Close(frame) => return Err(Lost::Closed(close_code(frame.as_ref()))),
                // The library answers pings by itself.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Lost> {
        let message = match self.encoding {
            Encoding::Binary => Message::Binary(frame.encode_to_vec().into()),
            Encoding::Json => Message::text(serde_json::to_string(frame).map_err(|_| Lost::Broken)?),
        };
        match timeout(SEND_TIMEOUT, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the socket broke");
                Err(Lost::Broken)
            }
            Err(_) => Err(Lost::Broken),
        }
    }

    /// Says goodbye, if the server listens.
    pub(super) async fn close(mut self) {
        drop(timeout(CLOSE_TIMEOUT, self.stream.close(None)).await);
    }
}

fn close_code(frame: Option<&CloseFrame>) -> u16 {
    // 1005: no code was given (RFC 6455, section 7.4.1).
    frame.map_or(1005, |frame| frame.code.into())
}

fn unknown(error: &dyn std::error::Error) -> ServerFrame {
    // What matters comes again by sync.
    tracing::debug!(%error, "a frame cannot be read");
    ServerFrame::default()
}

fn failed(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::Failed { reason: error.to_string(), retry_after: None }
}

fn refusal(response: &Response<Option<Vec<u8>>>) -> ConnectError {
    match response.status() {
        StatusCode::UNAUTHORIZED => ConnectError::Unauthorized,
        StatusCode::FORBIDDEN => ConnectError::Forbidden,
        status => {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            ConnectError::Failed { reason: status.to_string(), retry_after: retry_after.map(Duration::from_secs) }
        }
    }
}
