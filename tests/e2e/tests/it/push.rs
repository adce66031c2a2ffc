//! A Web Push from the message to the browser that decrypts it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_testkit::TestCluster;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Pair, Rest, embedded, separate};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_message_reaches_the_registered_browser_encrypted_in_one_process() {
    a_message_reaches_the_registered_browser_encrypted(embedded().await).await;
}

#[tokio::test]
async fn a_message_reaches_the_registered_browser_encrypted_over_separate_services() {
    a_message_reaches_the_registered_browser_encrypted(separate().await).await;
}

async fn a_message_reaches_the_registered_browser_encrypted(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let browser = Browser::new().await;
    bob.rest.post("/devices/web-push", browser.registration()).await.created::<Value>();

    let message = ada.send(&chat_id, "push", "Wake up, Bob").await;

    let push = timeout(SOON, browser.receive()).await.expect("a push arrives");
    assert_eq!(push.headers["content-encoding"], "aes128gcm");
    assert!(push.headers["ttl"].parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let key = Rest::open(cluster.gateway()).get("/devices/vapid-key").await.ok::<Value>();
    let key = key["public_key"].as_str().unwrap();
    assert!(push.headers["authorization"].starts_with("vapid t="), "{:?}", push.headers);
    assert!(push.headers["authorization"].contains(&format!("k={key}")), "{:?}", push.headers);
    assert!(!push.body.windows(7).any(|window| window == b"Wake up"), "the body is encrypted");
    let notification: Value = serde_json::from_slice(&browser.decrypt(&push.body)).unwrap();
    assert_eq!(notification["text"], "Wake up, Bob");
    assert_eq!(notification["message_id"], message.id);
    assert_eq!(notification["chat_id"], chat_id);

    // Gone is gone: what Ada's browser gets afterwards came through the stream after what Bob's would have got.
    crate::support::send(bob.rest.request(Method::DELETE, "/devices/web-push")).await.ok::<Value>();
    let adas_browser = Browser::new().await;
    ada.rest.post("/devices/web-push", adas_browser.registration()).await.created::<Value>();
    ada.send(&chat_id, "unheard", "Good").await;
    let answer = bob.send(&chat_id, "answer", "I am up").await;
    let push = timeout(SOON, adas_browser.receive()).await.expect("a push arrives");
    let notification: Value = serde_json::from_slice(&adas_browser.decrypt(&push.body)).unwrap();
    assert_eq!(notification["message_id"], answer.id);
    assert!(timeout(Duration::from_millis(200), browser.receive()).await.is_err(), "Bob's browser is gone");
}

/// A browser with its push service: keys, and a place where pushes arrive.
struct Browser {
    listener: TcpListener,
    keys: ece::EcKeyComponents,
    public_key: Vec<u8>,
    auth_secret: [u8; 16],
}

struct Push {
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Browser {
    async fn new() -> Self {
        let (keys, auth_secret) = ece::generate_keypair_and_auth_secret().unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            public_key: keys.pub_as_raw().unwrap(),
            keys: keys.raw_components().unwrap(),
            auth_secret,
        }
    }

    fn registration(&self) -> Value {
        json!({
            "endpoint": format!("http://{}/push/1", self.listener.local_addr().unwrap()),
            "p256dh": URL_SAFE_NO_PAD.encode(&self.public_key),
            "auth": URL_SAFE_NO_PAD.encode(self.auth_secret),
        })
    }

    /// Takes one push as a push service does.
    async fn receive(&self) -> Push {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut headers = HashMap::new();
        let mut line = String::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            match line.trim().split_once(": ") {
                Some((name, value)) => drop(headers.insert(name.to_lowercase(), value.to_owned())),
                // The request line has no colon and space; the empty line ends the head.
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
        Push { headers, body }
    }

    fn decrypt(&self, body: &[u8]) -> Vec<u8> {
        ece::decrypt(&self.keys, &self.auth_secret, body).unwrap()
    }
}
