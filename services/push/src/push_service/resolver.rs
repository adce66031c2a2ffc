use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use crate::domain::{Reach, is_public};

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Gives connections only addresses within reach, at the moment they connect: a name may be pointed elsewhere at any
/// time.
pub(super) struct Resolver {
    pub reach: Reach,
}

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the name leads into a private network")]
    Private,
    #[error("the name cannot be looked up")]
    Lookup(#[source] std::io::Error),
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let addresses = look_up(name.as_str(), reach).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// The addresses of a name. One private address spoils all: a public service has none.
pub(super) async fn look_up(name: &str, reach: Reach) -> Result<Vec<SocketAddr>, Failure> {
    let found = timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((name, 0)))
        .await
        .map_err(|late| Failure::Lookup(late.into()))?
        .map_err(Failure::Lookup)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(Failure::Lookup(std::io::ErrorKind::NotFound.into()));
    }
    if reach == Reach::PublicOnly && !addresses.iter().all(|address| is_public(address.ip())) {
        return Err(Failure::Private);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_within_reach_only_in_development() {
        assert!(matches!(look_up("localhost", Reach::PublicOnly).await, Err(Failure::Private)));
        assert!(look_up("localhost", Reach::Anywhere).await.is_ok());
    }
}
