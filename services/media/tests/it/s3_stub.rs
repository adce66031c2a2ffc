//! A server that answers byte by byte as AWS, Ceph RGW and MinIO are documented to, where s3s does not.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use godwit_media::object_store::ObjectStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::s3::{access, open, spawn};

/// How one request is answered.
pub enum Reply {
    /// With these bytes, and then the connection ends.
    Bytes(Vec<u8>),
    /// Never.
    Nothing,
}

/// What the server was asked, without the signature: `PUT /godwit-media/ab/key?partNumber=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub line: String,
    pub body: Vec<u8>,
}

struct Script {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
}

pub struct S3Stub {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl S3Stub {
    /// Answers with these, one a request; with 204 after the last.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script { replies: replies.into_iter().collect(), asked: Vec::new() }));
        let shared = Arc::clone(&script);
        spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self { address, script }
    }

    /// A client of it.
    pub fn store(&self) -> Arc<ObjectStore> {
        open(access(self.address))
    }

    /// Has the next requests answered with these.
    pub fn say(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().replies.extend(replies);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// One request of one connection.
async fn serve(mut socket: TcpStream, script: Arc<Mutex<Script>>) {
    let Some(asked) = read_request(&mut socket).await else { return };
    let is_head = asked.line.starts_with("HEAD ");
    let reply = {
        let mut script = script.lock().unwrap();
        script.asked.push(asked);
        script.replies.pop_front().unwrap_or_else(|| reply(204, &[], ""))
    };
    match reply {
        Reply::Nothing => std::future::pending().await,
        Reply::Bytes(mut bytes) => {
            if is_head {
                let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                bytes.truncate(end);
            }
            // Who does not wait for it has gone.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_ends_at = loop {
        if let Some(place) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break place + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_ends_at]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    while bytes.len() < head_ends_at + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = unsigned(head.lines().next()?.strip_suffix(" HTTP/1.1")?);
    Some(Asked { line, body: bytes.split_off(head_ends_at) })
}

/// The request line without the parameters of the signature.
fn unsigned(line: &str) -> String {
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("X-Amz-") && !pair.is_empty()).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// An answer of known length.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let head = head(status, headers);
    Reply::Bytes(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An answer whose length is not known when it begins, in these pieces.
pub fn chunked(status: u16, headers: &[(&str, &str)], pieces: &[&str]) -> Reply {
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    Reply::Bytes(format!("{}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n", head(status, headers)).into_bytes())
}

fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} Told\r\nconnection: close\r\n{headers}")
}

/// An error document as AWS and Ceph write it: with the names of the request.
pub fn error(status: u16, code: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>A message.</Message>\
         <RequestId>656c76696e6727732072657175657374</RequestId><HostId>Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==\
         </HostId></Error>"
    );
    reply(status, &[("content-type", "application/xml"), ("x-amz-request-id", "656c76696e67")], &body)
}
