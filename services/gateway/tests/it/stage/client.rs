use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ClientFrame, ConnectedFrame, ServerFrame, Update};
use prost::Message as _;
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::SOON;

/// A WebSocket client of either subprotocol.
pub struct Client {
    socket: WebSocketStream<tokio::net::TcpStream>,
    /// The subprotocol that the gateway chose.
    pub protocol: Option<String>,
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    Frame(Box<ServerFrame>),
    Closed(u16),
}

impl Client {
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::try_open(address, path, headers).await.unwrap()
    }

    pub async fn try_open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(
                name.parse::<tokio_tungstenite::tungstenite::http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        let stream = TcpSocket::new_v4().unwrap();
        // A small window, so that a client that does not read shows soon.
        stream.set_recv_buffer_size(16 * 1024).unwrap();
        let stream = stream.connect(address).await.unwrap();
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await?;
        let protocol = response.headers().get("sec-websocket-protocol").map(|p| p.to_str().unwrap().to_owned());
        Ok(Self { socket, protocol })
    }

    /// The status with which a handshake is refused.
    pub async fn refused(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> u16 {
        match Self::try_open(address, path, headers).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("another failure: {error}"),
            Ok(_) => panic!("the handshake was not refused"),
        }
    }

    pub async fn hear(&mut self) -> Heard {
        timeout(SOON, self.hear_without_limit()).await.expect("something is heard soon")
    }

    async fn hear_without_limit(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Heard::Frame(Box::new(serde_json::from_str(&text).unwrap())),
                Some(Ok(Message::Binary(bytes))) => return Heard::Frame(Box::new(ServerFrame::decode(bytes).unwrap())),
                Some(Ok(Message::Close(Some(frame)))) => return Heard::Closed(frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_))) | None => {
                    return Heard::Closed(1006);
                }
                other => panic!("heard {other:?}"),
            }
        }
    }

    /// The next frame that is no ping.
    pub async fn frame(&mut self) -> ServerFrame {
        loop {
            match self.hear().await {
                Heard::Frame(frame) if matches!(frame.frame, Some(Frame::Ping(_))) => {}
                Heard::Frame(frame) => return *frame,
                Heard::Closed(code) => panic!("closed with {code}"),
            }
        }
    }

    pub async fn connected(&mut self) -> ConnectedFrame {
        match self.frame().await.frame {
            Some(Frame::Connected(connected)) => connected,
            other => panic!("not connected: {other:?}"),
        }
    }

    pub async fn update(&mut self) -> Update {
        match self.frame().await.frame {
            Some(Frame::Update(update)) => update,
            other => panic!("not an update: {other:?}"),
        }
    }

    /// The reason and status of the next frame, which is an error, and the id it answers.
    pub async fn error(&mut self) -> (String, String, u32) {
        let frame = self.frame().await;
        match frame.frame {
            Some(Frame::Error(error)) => (frame.id, error.reason, error.status),
            other => panic!("not an error: {other:?}"),
        }
    }

    /// The code with which the connection ends, whatever comes before.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }

    pub async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn say_binary(&mut self, frame: &ClientFrame) {
        self.socket.send(Message::binary(frame.encode_to_vec())).await.unwrap();
    }

    /// Sends as long as the other side takes it.
    pub async fn try_say_text(&mut self, text: &str) -> bool {
        self.socket.send(Message::text(text)).await.is_ok()
    }

    pub async fn close(mut self) {
        self.socket.close(None).await.unwrap();
    }
}
