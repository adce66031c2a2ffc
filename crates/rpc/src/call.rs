use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use godwit_contract::rpcs::{RPCS, RpcName};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Code;

use crate::failure::code_name;

/// The id that the logs, traces and answer of one outer request share.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("godwit-request-id");

/// What is not of the contract, such as the health service: one name, so that metrics stay bounded.
const OTHER: &RpcName = &RpcName { path: "", service: "other", method: "other", span: "rpc.other" };

/// The names of the RPC at a path.
pub(crate) fn names(path: &str) -> &'static RpcName {
    static BY_PATH: LazyLock<HashMap<&str, &RpcName>> =
        LazyLock::new(|| RPCS.iter().map(|rpc| (rpc.path, rpc)).collect());
    BY_PATH.get(path).copied().unwrap_or(OTHER)
}

/// What calls inherit that are made while another is served.
#[derive(Clone, Debug)]
pub(crate) struct Inherited {
    pub deadline: Instant,
    pub request_id: Option<HeaderValue>,
}

tokio::task_local! {
    static INHERITED: Inherited;
}

impl Inherited {
    /// Of the call that this task serves, if it serves one.
    pub fn current() -> Option<Self> {
        INHERITED.try_with(Clone::clone).ok()
    }

    /// Runs a future that serves a call.
    pub async fn scope<F: Future>(self, serve: F) -> F::Output {
        INHERITED.scope(self, serve).await
    }
}

/// Which end of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Counts and times one call, once, when it is dropped. A call that ends before its status is known was cancelled.
#[derive(Debug)]
pub(crate) struct CallRecord {
    side: Side,
    rpc: &'static RpcName,
    started: Instant,
    code: Option<Code>,
}

impl CallRecord {
    pub fn start(side: Side, rpc: &'static RpcName) -> Self {
        Self { side, rpc, started: Instant::now(), code: None }
    }

    pub fn end(&mut self, code: Code) {
        self.code = Some(code);
    }

    /// Takes the status from response headers or trailers, when it is there.
    pub fn end_with(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.end(Code::from_bytes(status.as_bytes()));
        }
    }

    pub fn has_ended(&self) -> bool {
        self.code.is_some()
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let code = code_name(self.code.unwrap_or(Code::Cancelled));
        let RpcName { service, method, .. } = *self.rpc;
        let (handled, seconds) = match self.side {
            Side::Client => ("grpc_client_handled_total", "grpc_client_handling_seconds"),
            Side::Server => ("grpc_server_handled_total", "grpc_server_handling_seconds"),
        };
        metrics::counter!(handled, "service" => service, "method" => method, "code" => code).increment(1);
        metrics::histogram!(seconds, "service" => service, "method" => method).record(self.started.elapsed());
    }
}
