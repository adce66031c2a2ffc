//! Clients that others wrote.

use std::path::Path;
use std::process::Stdio;

use godwit_testkit::env;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::stage::{SOON, Stage, chat, somebody};

#[tokio::test]
async fn the_websockets_library_of_python_holds_a_connection() {
    let stage = Stage::with(&["--gateway-heartbeat-ms=500", "--gateway-dead-after-ms=1500"]).await;
    let room = chat();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/websockets_client.py");
    let (url, token) = (format!("ws://{}/ws/me", stage.address), stage.token(&somebody()));
    let mut command = Command::new(env::python());
    // Longer than a client without a sign of life may stay.
    command.arg(script).args([&url, &token, &room.to_string(), "8"]).kill_on_drop(true);
    let output = timeout(SOON, command.output()).await.expect("it ends soon").unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let (ack, code) = told.trim().split_once('\n').unwrap();
    let ack: Value = serde_json::from_str(ack).unwrap();
    assert_eq!((&ack["id"], &ack["ack"]["message"]["text"]), (&json!("1"), &json!("still here")));
    assert_eq!(code, "1000");
    assert_eq!(stage.services.sent.lock().len(), 1);
}

#[tokio::test]
async fn websocat_sends_a_message() {
    let stage = Stage::start().await;
    let room = chat();
    let websocat = env::python().with_file_name("websocat");
    let (url, token) = (format!("ws://{}/ws/me", stage.address), stage.token(&somebody()));
    let mut command = Command::new(websocat);
    command.arg(format!("--header=Authorization: Bearer {token}")).arg(url);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let (mut input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
    let message = json!({"chat_id": room.to_string(), "client_message_id": "websocat", "text": "by hand"});
    let frame = json!({"id": "1", "send_message": message});
    input.write_all(format!("{frame}\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(output).lines();
    let ack = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let frame: Value = serde_json::from_str(&line).unwrap();
            if frame["ack"].is_object() {
                return frame;
            }
        }
        panic!("websocat ended");
    };
    let ack = timeout(SOON, ack).await.expect("the ack comes soon");
    assert_eq!((&ack["id"], &ack["ack"]["message"]["text"]), (&json!("1"), &json!("by hand")));
    // At the end of its input it says goodbye.
    drop(input);
    assert!(timeout(SOON, process.wait()).await.expect("it ends soon").unwrap().success());
}
