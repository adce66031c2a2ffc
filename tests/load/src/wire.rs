//! One WebSocket with as little around it as can be: the generator runs on the cores that it measures.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use godwit_contract::v1::{ClientFrame, PongFrame, ServerFrame, client_frame, server_frame};
use prost::Message as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_with_config, connect_async_with_config};
use url::Url;

use crate::options::Encoding;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Many sockets are open at once; the library's default of 128 KiB each would be the generator's memory.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// An open and authenticated socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
}

impl Socket {
    /// Connects, and waits for the first frame.
    pub async fn open(gateway: &Url, token: &str, encoding: Encoding) -> anyhow::Result<Self> {
        Self::open_from(None, gateway, token, encoding).await
    }

    /// As [`Self::open`], from this address of the machine: each has ports for about 28,000 connections.
    pub async fn open_from(
        source: Option<IpAddr>,
        gateway: &Url,
        token: &str,
        encoding: Encoding,
    ) -> anyhow::Result<Self> {
        timeout(CONNECT_TIMEOUT, Self::connect(source, gateway, token, encoding)).await.context("no answer")?
    }

    async fn connect(source: Option<IpAddr>, gateway: &Url, token: &str, encoding: Encoding) -> anyhow::Result<Self> {
        let mut request = socket_url(gateway).as_str().into_client_request()?;
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?);
        let protocol = match encoding {
            Encoding::Binary => "godwit.v1.proto",
            Encoding::Json => "godwit.v1.json",
        };
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let (stream, _) = match source {
            None => connect_async_with_config(request, Some(config), true).await?,
            Some(source) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                let addresses = gateway.socket_addrs(|| None)?;
                let stream = socket.connect(*addresses.first().context("no address")?).await?;
                stream.set_nodelay(true)?;
                client_async_with_config(request, MaybeTlsStream::Plain(stream), Some(config)).await?
            }
        };
        let mut socket = Self { stream, encoding };
        match socket.next().await?.frame {
            Some(server_frame::Frame::Connected(_)) => Ok(socket),
            Some(server_frame::Frame::Error(error)) => bail!("refused: {} {}", error.reason, error.detail),
            other => bail!("the first frame is not `connected` but {other:?}"),
        }
    }

    /// The next frame; pings are answered. Cancel-safe but for the answer to a ping.
    pub async fn next(&mut self) -> anyhow::Result<ServerFrame> {
        loop {
            let frame = match self.stream.next().await.context("the server hung up")?? {
                Message::Binary(bytes) => ServerFrame::decode(bytes)?,
                Message::Text(text) => serde_json::from_str(text.as_str())?,
                Message::Close(close) => bail!("the server closed: {close:?}"),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            match frame.frame {
                Some(server_frame::Frame::Ping(_)) => {
                    let pong = client_frame::Frame::Pong(PongFrame {});
                    self.queue(ClientFrame { id: String::new(), frame: Some(pong) }).await?;
                    self.flush().await?;
                }
                _ => return Ok(frame),
            }
        }
    }

    /// Takes a frame to be sent with the next [`Self::flush`].
    pub async fn queue(&mut self, frame: ClientFrame) -> anyhow::Result<()> {
        let message = match self.encoding {
            Encoding::Binary => Message::Binary(frame.encode_to_vec().into()),
            Encoding::Json => Message::text(serde_json::to_string(&frame)?),
        };
        Ok(self.stream.feed(message).await?)
    }

    /// Says goodbye, if the server listens.
    pub async fn close(mut self) {
        drop(timeout(CLOSE_TIMEOUT, self.stream.close(None)).await);
    }

    /// Sends what was queued.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.stream.flush().await?)
    }
}

fn socket_url(gateway: &Url) -> Url {
    let mut url = gateway.clone();
    // Both cannot fail for the http and https addresses that the options let through.
    let _ = url.set_scheme(if gateway.scheme() == "https" { "wss" } else { "ws" });
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["ws", "me"]);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_below_the_gateways_address() {
        let url = |text: &str| socket_url(&text.parse().unwrap()).to_string();
        assert_eq!(url("http://127.0.0.1:8080"), "ws://127.0.0.1:8080/ws/me");
        assert_eq!(url("https://example.org/chat/"), "wss://example.org/chat/ws/me");
    }
}
