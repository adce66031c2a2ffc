use std::fmt;
use std::sync::{Arc, OnceLock};

use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer as _, Service as _};

use crate::error::plain_status;
use crate::{ServerCall, ServerLayer};

/// The services of this process, which channels may call without a socket. Bound late: services take their channels
/// while they start, and can be called when all have started.
#[derive(Clone, Default)]
pub struct LocalRoutes {
    bound: Arc<OnceLock<ServerCall>>,
}

impl LocalRoutes {
    /// Routes that answer `UNAVAILABLE` until they are bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the routes. Local calls go through `layer` as remote ones do, and count for the same limit. Binding
    /// again changes nothing.
    pub fn bind(&self, routes: Routes, layer: &ServerLayer) {
        self.bound.get_or_init(|| layer.layer(routes.prepare()));
    }

    pub(crate) async fn call(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let Some(bound) = self.bound.get() else {
            return Err(plain_status(Code::Unavailable, "STARTING", "The service is starting."));
        };
        match bound.clone().call(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

impl fmt::Debug for LocalRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoutes").field("is_bound", &self.bound.get().is_some()).finish()
    }
}
