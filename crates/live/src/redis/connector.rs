use std::time::Duration;

use deadpool_redis::redis::aio::{AsyncPushSender, MultiplexedConnection};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
};

use super::RedisOptions;
use super::topology::Address;
use crate::Error;

/// Name resolution, TCP and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Opens connections to the servers of one deployment, all with the same credentials.
#[derive(Clone)]
pub(super) struct Connector {
    /// What the URL tells but the server.
    base: ConnectionInfo,
    home: Address,
    seeds: Vec<Address>,
}

impl Connector {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, Error> {
        let infos = options
            .url
            .split(',')
            .map(|url| url.trim().into_connection_info())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::Address(error.into()))?;
        let seeds = infos.iter().map(|info| address_of(info.addr())).collect::<Result<Vec<_>, _>>()?;
        // `split` gives at least one part, and each part gave an info or an error.
        let Some(base) = infos.into_iter().next() else { return Err(Error::Address("no address is given".into())) };
        let settings = base.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self { home: address_of(base.addr())?, base: base.set_redis_settings(settings), seeds })
    }

    /// The first server that the URL names: the only one when it is not a cluster.
    pub(super) fn home(&self) -> &Address {
        &self.home
    }

    /// All servers that the URL names.
    pub(super) fn seeds(&self) -> &[Address] {
        &self.seeds
    }

    /// Opens a connection that gives up a response after `response_timeout` and hands `push` what nobody asked for.
    pub(super) async fn connect(
        &self,
        address: &Address,
        response_timeout: Duration,
        push: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, RedisError> {
        let info = self.base.clone().set_addr(ConnectionAddr::Tcp(address.host.clone(), address.port));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(response_timeout))
            .set_push_sender(push);
        Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn address_of(address: &ConnectionAddr) -> Result<Address, Error> {
    match address {
        ConnectionAddr::Tcp(host, port) => Ok(Address { host: host.clone(), port: *port }),
        other => Err(Error::Address(format!("{other} is not redis://host:port").into())),
    }
}
