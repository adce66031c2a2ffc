//! The HTTP and WebSocket side of the small server.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{SinkExt as _, StreamExt as _};
use godwit_contract::v1::ClientFrame;
use http::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::server::{Out, Server};

type Answer = Response<Full<Bytes>>;

/// Takes connections until the listener is dropped with its task.
pub async fn accept(server: Arc<Server>, listener: TcpListener) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(Arc::clone(&server), stream));
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(answer(server, request).await) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
}

pub fn json(status: u16, body: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_vec(body).unwrap();
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

pub fn problem(status: u16, reason: &str) -> Answer {
    json(status, &serde_json::json!({"status": status, "reason": reason, "detail": "no", "request_id": "r"}))
}

async fn answer(server: Arc<Server>, mut request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    *server.account.lock().calls.entry(path.clone()).or_default() += 1;
    let token = bearer(request.headers());
    if path != "/auth/refresh" && !server.account.lock().tokens.contains(&token) {
        return problem(401, "UNAUTHENTICATED");
    }
    if path == "/ws/me" {
        return upgrade(server, &mut request);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer = server.answer(&path, &query, &body);
    if server.is_newer.load(Ordering::Relaxed) { grown_answer(answer).await } else { answer }
}

/// As a newer server writes it: with a member that this version does not know in every object.
fn grown(mut json: Value) -> Value {
    match &mut json {
        Value::Object(members) => {
            members.values_mut().for_each(|member| *member = grown(member.take()));
            members.insert("added_later".to_owned(), serde_json::json!({"why": ["unknown", 1, null]}));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = grown(value.take())),
        _ => {}
    }
    json
}

async fn grown_answer(answer: Answer) -> Answer {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    json(status, &grown(serde_json::from_slice(&body).unwrap()))
}

fn bearer(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.trim_start_matches("Bearer ").to_owned()
}

fn upgrade(server: Arc<Server>, request: &mut Request<Incoming>) -> Answer {
    let protocol = request.headers().get(SEC_WEBSOCKET_PROTOCOL).unwrap().clone();
    let accept = derive_accept_key(request.headers().get(SEC_WEBSOCKET_KEY).unwrap().as_bytes());
    let upgrading = hyper::upgrade::on(request);
    let is_binary = protocol == "godwit.v1.proto";
    server.spawn({
        let server = Arc::clone(&server);
        async move {
            let Ok(upgraded) = upgrading.await else { return };
            let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            serve(server, stream, is_binary).await;
        }
    });
    let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let switching = switching.header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
    let switching = switching.header(SEC_WEBSOCKET_ACCEPT, accept).header(SEC_WEBSOCKET_PROTOCOL, protocol);
    switching.body(Full::default()).unwrap()
}

async fn serve(server: Arc<Server>, mut stream: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, is_binary: bool) {
    let (out, mut outgoing) = mpsc::unbounded_channel();
    server.opened(&out);
    loop {
        tokio::select! {
            out = outgoing.recv() => match out {
                Some(Out::Frame(frame)) => {
                    let is_newer = server.is_newer.load(Ordering::Relaxed);
                    let message = match (is_binary, is_newer) {
                        (true, _) => Message::Binary(frame.encode_to_vec().into()),
                        (false, false) => Message::text(serde_json::to_string(&frame).unwrap()),
                        (false, true) => Message::text(grown(serde_json::to_value(&frame).unwrap()).to_string()),
                    };
                    if stream.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Out::Close(code)) => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                    stream.close(Some(frame)).await.ok();
                    return;
                }
                Some(Out::Abort) | None => return,
            },
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) if is_binary => server.take(ClientFrame::decode(bytes).unwrap(), &out),
                Some(Ok(Message::Text(text))) if !is_binary => {
                    server.take(serde_json::from_str(text.as_str()).unwrap(), &out);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) if !other.is_close() => panic!("a frame of the other encoding: {other:?}"),
                _ => return,
            },
        }
    }
}
