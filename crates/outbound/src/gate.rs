use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::{Host, Url};

use crate::network::{Reach, is_localhost, is_public};

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Lets connections through to addresses within reach only. Names are looked up and judged at the moment of each
/// connection, for they may be pointed elsewhere at any time.
#[derive(Clone, Debug)]
pub struct Gate {
    admits: fn(IpAddr) -> bool,
    admits_this_machine: bool,
    names: Names,
}

#[derive(Clone, Debug)]
enum Names {
    System,
    #[cfg(test)]
    Fixed(Arc<std::collections::HashMap<String, Vec<IpAddr>>>),
}

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// One of its addresses at least is not within reach.
    #[error("the name leads into a private network")]
    Private,
    /// There is no answer.
    #[error("the name cannot be looked up")]
    Unanswered(#[source] std::io::Error),
}

impl Gate {
    /// A gate to everything within `reach`.
    pub const fn new(reach: Reach) -> Self {
        match reach {
            Reach::PublicOnly => Self { admits: is_public, admits_this_machine: false, names: Names::System },
            Reach::Anywhere => Self { admits: |_| true, admits_this_machine: true, names: Names::System },
        }
    }

    /// A gate for which 127.0.0.1 is the public internet and every other address is not, and which knows these names.
    #[cfg(test)]
    pub(crate) fn of_test(names: impl IntoIterator<Item = (&'static str, Vec<IpAddr>)>) -> Self {
        let names = names.into_iter().map(|(name, addresses)| (name.to_owned(), addresses)).collect();
        Self {
            admits: |address| address == IpAddr::from([127, 0, 0, 1]),
            admits_this_machine: false,
            names: Names::Fixed(Arc::new(names)),
        }
    }

    /// Whether what stands in an address as its host may be connected to, as far as that shows without a look-up.
    pub fn admits_host(&self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Domain(name)) => !name.is_empty() && (self.admits_this_machine || !is_localhost(name)),
            Some(Host::Ipv4(address)) => (self.admits)(address.into()),
            Some(Host::Ipv6(address)) => (self.admits)(address.into()),
            None => false,
        }
    }

    /// The addresses of a name. One that is not within reach spoils all: a public service has none.
    ///
    /// # Errors
    /// When there are none to connect to.
    pub async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        if !self.admits_this_machine && is_localhost(name) {
            return Err(LookupError::Private);
        }
        let addresses = self.names.resolve(name).await?;
        if addresses.is_empty() {
            return Err(LookupError::Unanswered(std::io::ErrorKind::NotFound.into()));
        }
        if !addresses.iter().all(|address| (self.admits)(address.ip())) {
            return Err(LookupError::Private);
        }
        Ok(addresses)
    }
}

impl Names {
    async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        match self {
            Self::System => {
                let found = timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((name, 0)))
                    .await
                    .map_err(|late| LookupError::Unanswered(late.into()))?
                    .map_err(LookupError::Unanswered)?;
                Ok(found.collect())
            }
            #[cfg(test)]
            Self::Fixed(names) => {
                let addresses = names.get(name).cloned().unwrap_or_default();
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
            }
        }
    }
}

/// The gate as `reqwest` asks it. Hosts that are addresses already do not come here: [`Gate::admits_host`].
pub(crate) struct Resolver(pub(crate) Arc<Gate>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses: Addrs = Box::new(gate.look_up(name.as_str()).await?.into_iter());
            Ok(addresses)
        })
    }
}
