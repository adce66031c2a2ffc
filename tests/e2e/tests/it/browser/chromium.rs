//! Chromium without a window, driven by its DevTools protocol.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use godwit_testkit::{eventually, http_client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The first start on a busy machine, and whatever a page does that is waited for.
const TIMEOUT: Duration = Duration::from_secs(60);

const FLAGS: [&str; 13] = [
    "--headless=new",
    // It takes a port of its own and writes it to `DevToolsActivePort` in the profile.
    "--remote-debugging-port=0",
    // A camera, a microphone and a screen that need no hardware, and nobody who has to allow them.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    // Nobody clicks, and still what comes is to be heard.
    "--autoplay-policy=no-user-gesture-required",
    // On a machine without a network the two are at the same loopback address.
    "--allow-loopback-in-peer-connection",
    // Containers give processes neither the namespaces of the sandbox nor much of /dev/shm; the pages are the tests' own.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
];

/// One browser with one page; killed when it is dropped.
pub struct Chromium {
    process: Child,
    page: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    _profile: TempDir,
}

impl Chromium {
    /// Opens this address, and waits until the page says `ready`, an expression.
    pub async fn open(url: &str, ready: &str) -> Self {
        let profile = tempfile::Builder::new().prefix("godwit-chromium-").tempdir().unwrap();
        let log = File::create(profile.path().join("log")).unwrap();
        let process = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("chromium is installed: scripts/setup test");
        // From here on it ends with this function, if not with the test.
        let process = KilledOnDrop(Some(process));
        let port = eventually(TIMEOUT, async || {
            let told = std::fs::read_to_string(profile.path().join("DevToolsActivePort")).ok()?;
            told.lines().next()?.parse::<u16>().ok()
        })
        .await;
        let page = open_page(port, url).await;
        let mut browser = Self { process: process.keep(), page, last_id: 0, _profile: profile };
        browser.wait_for(ready).await;
        browser
    }

    /// What an expression of the page gives, once its promise has settled.
    pub async fn evaluate<T: DeserializeOwned>(&mut self, expression: &str) -> T {
        let value = self.try_evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression of the page is true; a page that is not there yet gives an error.
    async fn wait_for(&mut self, expression: &str) {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        loop {
            match self.try_evaluate(expression).await {
                Ok(Value::Bool(true)) => return,
                other if tokio::time::Instant::now() > deadline => panic!("{expression}: {other:?}"),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// `Runtime.evaluate` of the protocol, as if a person had clicked: a page may share a screen only then.
    async fn try_evaluate(&mut self, expression: &str) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let request = json!({"id": id, "method": "Runtime.evaluate", "params": parameters});
        self.page.send(Message::text(request.to_string())).await.map_err(|error| error.to_string())?;
        let answer = timeout(TIMEOUT, self.answer_to(id)).await.map_err(|_| "it takes too long".to_owned())??;
        if let Some(thrown) = answer["result"].get("exceptionDetails") {
            return Err(thrown["exception"]["description"].as_str().unwrap_or("it threw").to_owned());
        }
        match answer["result"].get("result") {
            Some(result) => Ok(result["value"].clone()),
            None => Err(answer["error"].to_string()),
        }
    }

    async fn answer_to(&mut self, id: u64) -> Result<Value, String> {
        while let Some(message) = self.page.next().await {
            let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
            let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if answer["id"] == id {
                return Ok(answer);
            }
        }
        Err("the browser has ended".to_owned())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A browser that is not whole yet.
struct KilledOnDrop(Option<Child>);

impl KilledOnDrop {
    fn keep(mut self) -> Child {
        self.0.take().unwrap()
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            end(process);
        }
    }
}

/// Its other processes end with it.
fn end(process: &mut Child) {
    process.kill().ok();
    process.wait().ok();
}

async fn open_page(port: u16, url: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let target = http_client().put(format!("http://127.0.0.1:{port}/json/new?{url}")).send().await.unwrap();
    let target: Value = target.json().await.unwrap();
    let socket = target["webSocketDebuggerUrl"].as_str().unwrap();
    connect_async(socket).await.unwrap().0
}
