use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::SOON;

/// The first byte of a frame: the opcode, and whether the message ends with it.
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CONTINUATION: u8 = 0x0;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;
pub const FINAL: u8 = 0x80;

/// A client that sends any bytes at all, and hears what comes frame by frame.
pub struct RawClient {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl RawClient {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    /// A socket at `/ws/me`, past its handshake.
    pub async fn open(address: SocketAddr, token: &str) -> Self {
        let mut client = Self::connect(address).await;
        let head = client.handshake(address, token).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(!head.contains("deflate"), "no extension is agreed on: {head}");
        client
    }

    /// Asks for a socket at `/ws/me`, and gives the head of the answer.
    pub async fn handshake(&mut self, address: SocketAddr, token: &str) -> String {
        let request = format!(
            "GET /ws/me HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-extensions: permessage-deflate\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        self.send(request.as_bytes()).await;
        self.head().await
    }

    /// What HTTP answers, without a body.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "the connection ended: {:?}", String::from_utf8_lossy(&self.received));
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends as much as the other side takes.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(SOON, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// The first byte and the payload of the next frame; `None` at the end.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((first, start, length)) = header(&self.received)
                && self.received.len() >= start + length
            {
                return Some((first, self.received.drain(..start + length).skip(start).collect()));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The close code with which the connection ends, and the end itself; 1005 when the close frame has none, 1006 when
    /// there is no close frame.
    pub async fn close_code(&mut self) -> u16 {
        let mut code = 1006;
        while let Some((first, payload)) = self.frame().await {
            if first == FINAL | CLOSE {
                code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
            }
        }
        code
    }

    async fn more(&mut self) -> bool {
        let read = timeout(SOON, self.stream.read_buf(&mut self.received)).await;
        matches!(read.expect("something comes soon"), Ok(1..))
    }
}

/// The first byte of a frame, where its payload begins, and how long that is.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    match second {
        126 => Some((first, 4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()).into())),
        127 => Some((first, 10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())).unwrap())),
        short => Some((first, 2, short.into())),
    }
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = announced(first, u64::try_from(payload.len()).unwrap());
    bytes.truncate(bytes.len() - mask.len());
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The header of a masked frame that says how long it is, with a mask of zeros.
pub fn announced(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}
