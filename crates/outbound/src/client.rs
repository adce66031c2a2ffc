use std::sync::Arc;
use std::time::Duration;

use crate::gate::{Gate, Resolver};

/// What differs between clients.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// Of a request, from its begin to the end of the answer's body.
    pub timeout: Duration,
    /// Of a connection.
    pub connect_timeout: Duration,
    /// How the client calls itself.
    pub user_agent: &'static str,
    /// Connections to one host that are kept for the next request.
    pub idle_per_host_max: usize,
}

/// A client whose connections go through the gate; it follows no redirect, knows no proxy, tells no referer and keeps
/// no cookie. Hosts that are addresses are the caller's to check, with [`Gate::admits_host`], for `reqwest` asks a
/// resolver about names alone.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client(gate: &Gate, options: ClientOptions) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(options.connect_timeout.min(options.timeout))
        .timeout(options.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(options.idle_per_host_max)
        .user_agent(options.user_agent)
        .dns_resolver(Arc::new(Resolver(Arc::new(gate.clone()))))
        .build()
}
