use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
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
    bound: Arc<OnceLock<Bound>>,
}

struct Bound {
    server: ServerCall,
    runtime: Handle,
}

impl LocalRoutes {
    /// Routes that answer `UNAVAILABLE` until they are bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the routes. Local calls go through `layer` as remote ones do, and count for the same limit. They run on
    /// the Tokio runtime that this is called in, whoever makes them: the gateway's single-threaded workers must
    /// neither carry the work of other services nor own their database connections. Binding again changes nothing.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind(&self, routes: Routes, layer: &ServerLayer) {
        self.bound.get_or_init(|| Bound { server: layer.layer(routes.prepare()), runtime: Handle::current() });
    }

    pub(crate) async fn call(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let Some(Bound { server, runtime }) = self.bound.get() else {
            return Err(plain_status(Code::Unavailable, "STARTING", "The service is starting."));
        };
        let mut server = server.clone();
        let answer = if Handle::current().id() == runtime.id() {
            server.call(request).await
        } else {
            // Dropped with this future, the set ends the call, as a dropped connection would.
            let mut calls = JoinSet::new();
            calls.spawn_on(server.call(request), runtime);
            match calls.join_next().await {
                Some(Ok(answer)) => answer,
                Some(Err(_)) | None => {
                    return Err(plain_status(Code::Unavailable, "STOPPING", "The service is stopping."));
                }
            }
        };
        match answer {
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
