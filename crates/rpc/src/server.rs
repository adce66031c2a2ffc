use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use godwit_contract::rpcs::RpcName;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::call::{self, CallRecord, Inherited, REQUEST_ID, Side};
use crate::error::{INTERNAL_DETAIL, plain_status};
use crate::observed::observe;
use crate::{deadline, trace};

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Calls served at once, local ones too; the next is refused with `UNAVAILABLE`.
    pub max_in_flight: usize,
    /// The longest a call may take; clients may ask for less.
    pub deadline: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { max_in_flight: 1_024, deadline: Duration::from_secs(10) }
    }
}

/// What happens around every call on the serving side: a span that continues the caller's trace, the deadline, the
/// limit with load shedding, metrics, and `INTERNAL` for a panic. Clones share the limit.
#[derive(Clone, Debug)]
pub struct ServerLayer {
    in_flight: Arc<Semaphore>,
    deadline: Duration,
}

impl ServerLayer {
    /// A layer with these limits.
    pub fn new(options: ServerOptions) -> Self {
        let permits = options.max_in_flight.min(Semaphore::MAX_PERMITS);
        Self { in_flight: Arc::new(Semaphore::new(permits)), deadline: options.deadline }
    }
}

impl Default for ServerLayer {
    fn default() -> Self {
        Self::new(ServerOptions::default())
    }
}

impl Layer<Routes> for ServerLayer {
    type Service = ServerCall;

    fn layer(&self, routes: Routes) -> ServerCall {
        ServerCall { routes, layer: self.clone() }
    }
}

/// Routes inside a [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct ServerCall {
    routes: Routes,
    layer: ServerLayer,
}

impl Service<http::Request<Body>> for ServerCall {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let rpc = call::names(request.uri().path());
        let record = CallRecord::start(Side::Server, rpc);
        let Ok(permit) = Arc::clone(&self.layer.in_flight).try_acquire_owned() else {
            let status = plain_status(Code::Unavailable, "OVERLOADED", "Too many calls are being served.");
            return Box::pin(std::future::ready(Ok(observe(status.into_http(), record, None))));
        };
        // Taken now: the transport starts its own clock for the same timeout after this returns, and must not win.
        let deadline = deadline::of_incoming(request.headers(), self.layer.deadline);
        let inherited = Inherited { deadline, request_id: request.headers().get(REQUEST_ID).cloned() };
        let span = server_span(rpc, request.headers());
        let mut routes = self.routes.clone();
        let serving = async move {
            let answer = answer_in_time(deadline, async move { routes.call(request).await }).await;
            drop(permit);
            let response = answer.unwrap_or_else(Status::into_http);
            Ok(observe(response, record, None))
        };
        Box::pin(inherited.scope(serving).instrument(span))
    }
}

/// The handler's answer, or the status that stands for a late or broken one.
async fn answer_in_time(
    deadline: Instant,
    handler: impl Future<Output = Result<http::Response<Body>, Infallible>>,
) -> Result<http::Response<Body>, Status> {
    let guarded = AssertUnwindSafe(handler).catch_unwind();
    match tokio::time::timeout_at(deadline.into(), guarded).await {
        Ok(Ok(Ok(response))) => Ok(response),
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => {
            tracing::error!(panic = panic_text(panic.as_ref()), "a handler panicked");
            Err(plain_status(Code::Internal, "INTERNAL", INTERNAL_DETAIL))
        }
        Err(_) => Err(plain_status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "The call took too long.")),
    }
}

fn server_span(rpc: &'static RpcName, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "rpc",
        otel.name = rpc.span,
        otel.kind = "server",
        rpc.service = rpc.service,
        rpc.method = rpc.method,
        request.id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()),
    );
    trace::adopt_parent(&span, headers);
    span
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}
