use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use godwit_rpc::{Caller, to_status};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Status};

use crate::Error;
use crate::domain::access::{access_of_rpc, admit};

/// Asks the access table before a service of clients is called: an RPC that is not in the table is refused, and so is
/// one that needs a caller and has none. A call about another person is judged again by its use case, which knows what
/// the two are to each other.
#[derive(Clone)]
pub struct Gate<S>(pub S);

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match check(&request) {
            Ok(()) => Box::pin(self.0.call(request)),
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}

fn check(request: &http::Request<Body>) -> Result<(), Status> {
    let rpc = request.uri().path().rsplit('/').next().unwrap_or_default();
    let row = access_of_rpc(rpc).ok_or_else(|| Status::unimplemented("not in the access table"))?;
    let mut named = Request::new(());
    *named.metadata_mut() = MetadataMap::from_headers(request.headers().clone());
    let caller = Caller::of(&named).ok().map(|caller| caller.user_id);
    admit(row, caller).map_err(Error::from).map_err(to_status)
}
