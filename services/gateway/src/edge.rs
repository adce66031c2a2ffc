use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use godwit_contract::rest::{ForwardingTranscoder, forwarding_transcoder};
use godwit_kernel::{Clock, Entropy, NodeId};
use godwit_live::Live;
use godwit_rpc::Directory;
use godwit_runtime::{Health, Tasks};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::Config;
use crate::clients::Services;
use crate::http::{FILES_MAX, FILES_OF_ONE_MAX, Routes};
use crate::identity::{Authenticator, Revocations};
use crate::limits::{FileRoom, Limiter, Rooms};
use crate::ws::{Admission, Hub};

/// What the gateway is built on.
pub struct Foundation {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where tasks are started.
    pub tasks: Tasks,
    /// How other services are called.
    pub directory: Directory,
    /// Live channels and shared limits.
    pub live: Arc<dyn Live>,
    /// What readiness answers.
    pub health: Health,
}

/// What every request and socket shares.
pub struct Edge {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub health: Health,
    pub services: Services,
    pub transcoder: ForwardingTranscoder<Services>,
    pub routes: Routes,
    pub authenticator: Arc<Authenticator>,
    pub limiter: Limiter,
    /// Room for the requests that are being served.
    pub rooms: Rooms,
    /// Room for files that pass through.
    pub files: FileRoom,
    /// Where what outlives its request goes on.
    pub tasks: Tasks,
    pub hub: Arc<Hub>,
    pub live: Arc<dyn Live>,
    /// Names this process to presence.
    pub node_id: NodeId,
    /// Whether one more socket is taken.
    pub admission: Arc<Admission>,
}

impl Edge {
    /// An edge that serves nobody yet.
    pub fn new(config: Config, foundation: &Foundation) -> Self {
        let services = Services::new(foundation.directory.clone());
        let revocations = Arc::new(Revocations::default());
        let clock = Arc::clone(&foundation.clock);
        Self {
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&foundation.entropy),
            health: foundation.health.clone(),
            transcoder: forwarding_transcoder(&services),
            routes: Routes::of_contract(),
            authenticator: Arc::new(Authenticator::new(services.clone(), Arc::clone(&revocations), clock)),
            live: Arc::clone(&foundation.live),
            node_id: NodeId::generate(&*foundation.clock, &*foundation.entropy),
            limiter: Limiter::new(Arc::clone(&foundation.live), config.rates()),
            rooms: Rooms::new(config.room_sizes()),
            files: FileRoom::new(FILES_MAX, FILES_OF_ONE_MAX),
            tasks: foundation.tasks.clone(),
            hub: Arc::new(Hub::new(&config, services.clone(), revocations, Arc::clone(&foundation.entropy))),
            admission: Arc::new(Admission::new(&config)),
            services,
            config,
        }
    }

    /// A name for a request that logs, traces and its answer share: 128 random bits.
    pub fn request_id(&self) -> String {
        format!("{:032x}", u128::from_le_bytes(self.entropy.bytes()))
    }

    /// The wall clock's instant on the clock that timers go by.
    pub fn instant_of(&self, at: OffsetDateTime) -> Instant {
        let left = Duration::try_from(at - self.clock.now()).unwrap_or(Duration::ZERO);
        Instant::now() + left
    }

    /// Where a request comes from, past the reverse proxies that are trusted.
    pub fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.client_address_of(request.headers(), request.peer_addr())
    }

    /// Where a request with these headers comes from, when this peer brought it.
    pub fn client_address_of(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
        let peer = peer.map(|peer| peer.ip());
        let Some(hops) = usize::from(self.config.trusted_proxies).checked_sub(1) else { return peer };
        // Each proxy appends whom it heard from: the first trusted one's entry is that many from the end.
        let lines = headers.get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
        let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        entries.iter().rev().nth(hops).and_then(|entry| entry.parse().ok()).or(peer)
    }

    /// Whether a page of this origin may use the gateway; without an origin it is no page.
    pub fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        self.config.origins.iter().any(|allowed| allowed == origin) || is_own(origin, headers)
    }
}

/// Whether a page comes from the host that it talks to.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let page = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    matches!((page, host), (Some(page), Some(host)) if page.eq_ignore_ascii_case(host))
}

/// The access token in the `Authorization` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
