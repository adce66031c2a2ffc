use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use godwit_contract::v1::client_frame::Frame as ClientContent;
use godwit_contract::v1::server_frame::Frame as ServerContent;
use godwit_contract::v1::{ClientFrame, ConnectedFrame, PongFrame, SendMessageFrame, ServerFrame, Update};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing that is waited for takes longer on a machine that is not stuck.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Binary,
}

impl Encoding {
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "godwit.v1.json",
            Self::Binary => "godwit.v1.proto",
        }
    }
}

/// A WebSocket to `/ws/me`. Pings are answered while something is read.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code; `None` when the connection broke without one.
    pub code: Option<u16>,
}

impl Socket {
    /// Connects, authorised by the header.
    pub async fn open(gateway: &str, token: &str, encoding: Encoding) -> Self {
        Self::try_open(gateway, "/ws/me", Some(token), encoding).await.expect("the handshake succeeds")
    }

    /// Connects, or tells why that was refused.
    pub async fn try_open(
        gateway: &str,
        path: &str,
        token: Option<&str>,
        encoding: Encoding,
    ) -> Result<Self, Box<tungstenite::Error>> {
        let url = format!("{}{path}", gateway.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        let header = |text: &str| text.parse().expect("a header value");
        request.headers_mut().insert("sec-websocket-protocol", header(encoding.subprotocol()));
        if let Some(token) = token {
            request.headers_mut().insert("authorization", header(&format!("Bearer {token}")));
        }
        let (stream, response) = timeout(TIMEOUT, connect_async(request)).await.expect("the handshake ends")?;
        let protocol = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
        assert_eq!(protocol, Some(encoding.subprotocol()), "the server takes the subprotocol that was asked for");
        Ok(Self { stream, encoding })
    }

    /// The close code with which the server refuses a socket, after a frame that tells the reason: it takes the
    /// handshake, since browsers do not show the status of a refused one. `None` when there is no such path.
    pub async fn refused(gateway: &str, path: &str, token: Option<&str>) -> Option<u16> {
        let mut socket = match Self::try_open(gateway, path, token, Encoding::Json).await {
            Ok(socket) => socket,
            Err(error) => {
                let tungstenite::Error::Http(response) = *error else { panic!("{error}") };
                assert_eq!(response.status(), 404, "{response:?}");
                return None;
            }
        };
        loop {
            match timeout(TIMEOUT, socket.next()).await.expect("the server says something") {
                Ok(ServerFrame { frame: Some(ServerContent::Error(_)), .. }) => {}
                Ok(frame) => panic!("the socket is open: {frame:?}"),
                Err(closed) => return closed.code,
            }
        }
    }

    /// The first frame.
    pub async fn connected(&mut self) -> ConnectedFrame {
        self.try_connected().await.unwrap_or_else(|closed| panic!("the connection is refused: {closed:?}"))
    }

    /// The first frame, or how the server refuses; it tells the reason by a frame before.
    pub async fn try_connected(&mut self) -> Result<ConnectedFrame, Closed> {
        loop {
            let frame = timeout(TIMEOUT, self.next()).await.expect("the server says something")?;
            if let Some(ServerContent::Connected(connected)) = frame.frame {
                return Ok(connected);
            }
        }
    }

    pub async fn send(&mut self, id: &str, content: ClientContent) {
        let frame = ClientFrame { id: id.to_owned(), frame: Some(content) };
        let message = match self.encoding {
            Encoding::Json => Message::text(serde_json::to_string(&frame).expect("a frame is JSON")),
            Encoding::Binary => Message::binary(frame.encode_to_vec()),
        };
        self.send_raw(message).await;
    }

    pub async fn send_message(&mut self, id: &str, chat_id: &str, client_message_id: &str, text: &str) {
        let content = SendMessageFrame {
            chat_id: chat_id.to_owned(),
            client_message_id: client_message_id.to_owned(),
            text: text.to_owned(),
            ..SendMessageFrame::default()
        };
        self.send(id, ClientContent::SendMessage(content)).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.expect("the frame can be written");
    }

    /// Reads until `pick` takes a frame; frames that it does not take are dropped.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(ServerFrame) -> Option<T>) -> T {
        let found = timeout(TIMEOUT, async {
            loop {
                match self.next().await {
                    Ok(frame) => {
                        if let Some(picked) = pick(frame) {
                            return picked;
                        }
                    }
                    Err(closed) => panic!("the connection ended before {what}: {closed:?}"),
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {what} within {TIMEOUT:?}"))
    }

    /// The answer to the frame with this id.
    pub async fn answer(&mut self, id: &str) -> ServerContent {
        self.until(&format!("answer to {id}"), |frame| if frame.id == id { frame.frame } else { None }).await
    }

    /// The next live update of this chat.
    pub async fn update(&mut self, chat_id: &str) -> Update {
        self.until("update", |frame| match frame.frame {
            Some(ServerContent::Update(update)) if update.chat_id == chat_id => Some(update),
            _ => None,
        })
        .await
    }

    /// The next live message of this chat.
    pub async fn message(&mut self, chat_id: &str) -> godwit_contract::v1::Message {
        use godwit_contract::v1::update::Change;
        loop {
            if let Some(Change::MessageCreated(created)) = self.update(chat_id).await.change {
                return created.message.expect("the update has the message");
            }
        }
    }

    /// Reads until the connection ends.
    pub async fn closed(&mut self) -> Closed {
        let end = timeout(TIMEOUT, async {
            loop {
                if let Err(closed) = self.next().await {
                    return closed;
                }
            }
        });
        end.await.unwrap_or_else(|_| panic!("the connection was not closed within {TIMEOUT:?}"))
    }

    /// The next frame, pings aside.
    pub async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            let frame = match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    assert_eq!(self.encoding, Encoding::Json, "text frames are of the JSON subprotocol");
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
                }
                Some(Ok(Message::Binary(bytes))) => {
                    assert_eq!(self.encoding, Encoding::Binary, "binary frames are of the protobuf subprotocol");
                    ServerFrame::decode(bytes).expect("a server frame")
                }
                Some(Ok(Message::Close(close))) => return Err(Closed { code: close.map(|close| close.code.into()) }),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(Closed { code: None }),
            };
            if let ServerFrame { frame: Some(ServerContent::Ping(_)), .. } = frame {
                self.send("", ClientContent::Pong(PongFrame {})).await;
                continue;
            }
            return Ok(frame);
        }
    }
}
