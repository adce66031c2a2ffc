//! The web site of the page in `tests/e2e/browser`. It is not the gateways' own, as an application's would not be.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A web server; it ends when it is dropped.
pub struct Site {
    origin: String,
    task: AbortHandle,
}

impl Site {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let files = Router::new()
            .route("/", get(async || file(HTML, include_str!("../../../browser/index.html"))))
            .route("/phone.js", get(async || file(SCRIPT, include_str!("../../../browser/phone.js"))))
            .route("/peer.js", get(async || file(SCRIPT, include_str!("../../../browser/peer.js"))))
            .route("/gateway.js", get(async || file(SCRIPT, include_str!("../../../browser/gateway.js"))));
        let task = tokio::spawn(async move { axum::serve(listener, files).await.unwrap() }).abort_handle();
        Self { origin, task }
    }

    /// As `GODWIT_GATEWAY_ORIGINS` has it.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind)], text)
}
