use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::call::{self, CallRecord, Inherited, REQUEST_ID, Side};
use crate::error::plain_status;
use crate::observed::observe;
use crate::replicas::Replicas;
use crate::{LocalRoutes, Target, deadline, trace};

/// How long a call may take whose maker says nothing.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// The transport of gRPC clients, to a target in this process or to its remote replicas. Cheap to clone; connects at
/// the first call and reconnects by itself.
///
/// Each call gets a deadline (5 s unless `Request::set_timeout` says otherwise, and never later than the call that is
/// being served), the trace context of the current span, and metrics.
#[derive(Clone)]
pub struct Channel {
    target: Target,
    route: Route,
}

#[derive(Clone)]
pub(crate) enum Route {
    Local(LocalRoutes),
    Balanced(Arc<Replicas>),
    Keyed(Arc<Replicas>, u64),
    Missing,
}

impl Channel {
    pub(crate) const fn new(target: Target, route: Route) -> Self {
        Self { target, route }
    }

    async fn send(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let replica = match &self.route {
            Route::Local(routes) => return routes.call(request).await,
            Route::Balanced(replicas) => replicas.balanced(),
            Route::Keyed(replicas, key) => replicas.keyed(*key),
            Route::Missing => None,
        };
        match replica {
            Some(replica) => replica.call(request).await,
            None => {
                let detail = format!("No address of the {} service is configured.", self.target);
                Err(plain_status(Code::Unavailable, "NO_ENDPOINT", detail))
            }
        }
    }
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let record = CallRecord::start(Side::Client, call::names(request.uri().path()));
        let deadline = prepare(request.headers_mut());
        Box::pin(finish(record, deadline, self.clone().send(request)))
    }
}

/// Puts into the headers what every call carries.
fn prepare(headers: &mut http::HeaderMap) -> Instant {
    let inherited = Inherited::current();
    let deadline = deadline::set_outgoing(headers, DEFAULT_DEADLINE, inherited.as_ref().map(|i| i.deadline));
    if let Some(id) = inherited.and_then(|i| i.request_id) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
    trace::inject(headers);
    deadline
}

async fn finish(
    mut record: CallRecord,
    deadline: Instant,
    answer: impl Future<Output = Result<http::Response<Body>, Status>>,
) -> Result<http::Response<Body>, Status> {
    let answer = tokio::time::timeout_at(deadline.into(), answer).await;
    match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("the call was not answered in time"))) {
        Ok(response) => Ok(observe(response, record, Some(deadline))),
        Err(status) => {
            record.end(status.code());
            Err(status)
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("target", &self.target).finish_non_exhaustive()
    }
}
