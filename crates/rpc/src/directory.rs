use std::collections::HashMap;
use std::sync::Arc;

use tonic::transport::ClientTlsConfig;

use crate::channel::Route;
use crate::replicas::{Replicas, key_hash};
use crate::{Channel, LocalRoutes, Target};

/// Where every target lives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    local: LocalRoutes,
    local_targets: Arc<[Target]>,
    remote: Arc<HashMap<Target, Arc<Replicas>>>,
    tls: Option<ClientTlsConfig>,
}

/// An address in the configuration is none.
#[derive(Debug, thiserror::Error)]
#[error("not an address of the {target} service, such as http://{target}:9090 (https with GODWIT_GRPC_TLS_*): {urls}")]
pub struct InvalidEndpoint {
    target: Target,
    urls: String,
    #[source]
    source: Option<tonic::transport::Error>,
}

impl Directory {
    /// A directory of a process that runs `local_targets` itself, once `routes` are bound.
    pub fn new(routes: LocalRoutes, local_targets: impl IntoIterator<Item = Target>) -> Self {
        Self { local: routes, local_targets: local_targets.into_iter().collect(), remote: Arc::default(), tls: None }
    }

    /// Calls the remote targets that are added from now on by TLS, at `https://` URLs.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds the replicas of a remote target. A target that runs in this process stays local. Must be called inside
    /// the Tokio runtime, which drives the connections.
    ///
    /// # Errors
    /// When a URL is not `http://host:port`, or with TLS `https://host:port`.
    pub fn with_remote(mut self, target: Target, urls: &[String]) -> Result<Self, InvalidEndpoint> {
        let replicas = self.replicas(target, urls)?;
        Arc::make_mut(&mut self.remote).insert(target, replicas);
        Ok(self)
    }

    /// A channel to the one remote replica of a target at `url`, whatever else is configured: for replicas that talk
    /// to each other. Must be called inside the Tokio runtime.
    ///
    /// # Errors
    /// When the URL is not `http://host:port`, or with TLS `https://host:port`.
    pub fn replica(&self, target: Target, url: &str) -> Result<Channel, InvalidEndpoint> {
        Ok(Channel::new(target, Route::Balanced(self.replicas(target, &[url.to_owned()])?)))
    }

    fn replicas(&self, target: Target, urls: &[String]) -> Result<Arc<Replicas>, InvalidEndpoint> {
        let invalid = |source| InvalidEndpoint { target, urls: urls.join(","), source };
        let scheme = if self.tls.is_some() { "https://" } else { "http://" };
        if urls.is_empty() || urls.iter().any(|url| !url.starts_with(scheme)) {
            return Err(invalid(None));
        }
        Ok(Arc::new(Replicas::new(urls, self.tls.as_ref()).map_err(|source| invalid(Some(source)))?))
    }

    /// A channel that spreads its calls over the target's replicas.
    pub fn channel(&self, target: Target) -> Channel {
        Channel::new(target, self.route(target, Route::Balanced))
    }

    /// A channel to the replica that has the key, by rendezvous hashing, so that all who call for a key call the
    /// same one while it can be reached.
    pub fn for_key(&self, target: Target, key: &[u8]) -> Channel {
        Channel::new(target, self.route(target, |replicas| Route::Keyed(replicas, key_hash(key))))
    }

    fn route(&self, target: Target, remote: impl FnOnce(Arc<Replicas>) -> Route) -> Route {
        if self.local_targets.contains(&target) {
            return Route::Local(self.local.clone());
        }
        self.remote.get(&target).map_or(Route::Missing, |replicas| remote(Arc::clone(replicas)))
    }
}
