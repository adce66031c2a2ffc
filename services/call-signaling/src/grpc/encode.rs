use godwit_contract::call::v1::{IceServer, ListIceServersResponse};
use godwit_rpc::timestamp;

use crate::turn::IceServers;

/// The servers as clients take them.
pub(super) fn encode_ice_servers(told: IceServers) -> ListIceServersResponse {
    let servers = told.servers.into_iter().map(|server| IceServer {
        urls: server.urls,
        username: server.username,
        credential: server.credential,
        region: server.region,
    });
    ListIceServersResponse { ice_servers: servers.collect(), expires_at: Some(timestamp(told.expires_at)) }
}
