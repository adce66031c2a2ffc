use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{self, PushInfo};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::connector::Connector;
use super::node::Node;
use super::topology::{Address, Topology};
use crate::Error;

/// How old the map of a healthy cluster may be.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// How often the map is read while a server is down: a replica may take its place.
const REFRESH_INTERVAL_DOWN: Duration = Duration::from_millis(500);
/// A burst of redirections is one change of the map.
const REFRESH_PAUSE: Duration = Duration::from_millis(50);
/// How long a redirected command waits for the new map.
const REFRESH_WAIT: Duration = Duration::from_millis(500);
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The servers and who of them holds what.
#[derive(Clone, Default)]
pub(super) struct Map {
    pub(super) topology: Topology,
    nodes: HashMap<Address, Arc<Node>>,
}

impl Map {
    /// The server that holds this key or channel.
    pub(super) fn node_of(&self, key: &str) -> Result<(&Address, &Arc<Node>), Error> {
        let address = self.topology.server_of(key).ok_or(Error::KnownDown)?;
        self.nodes.get_key_value(address).ok_or(Error::KnownDown)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// The map for a new topology; servers that stay keep their connections.
    fn follow(&self, topology: Topology, connector: &Connector) -> Self {
        let keep_or_open = |address: &Address| match self.nodes.get(address) {
            Some(node) => node.clone(),
            None => Arc::new(Node::open(connector.clone(), address.clone())),
        };
        let nodes = topology.servers().into_iter().map(|address| (address.clone(), keep_or_open(address))).collect();
        Self { topology, nodes }
    }
}

/// The current map, kept up to date by a task of its own when it is a cluster's.
#[derive(Clone)]
pub(super) struct Nodes {
    pub(super) connector: Connector,
    map: watch::Receiver<Arc<Map>>,
    wanted: Arc<Notify>,
    _keeper: Arc<JoinSet<()>>,
}

impl Nodes {
    /// Returns when the first attempt to connect is over.
    pub(super) async fn open(connector: Connector, cluster: bool) -> Self {
        let wanted = Arc::new(Notify::new());
        let mut keeper = JoinSet::new();
        let topology = if cluster {
            read_topology(&connector, &Map::default()).await.unwrap_or_default()
        } else {
            Topology::single(connector.home().clone())
        };
        let first = Map::default().follow(topology, &connector);
        for node in first.nodes() {
            // Down is as good an answer as up.
            let _ = node.handle().await;
        }
        let (sender, map) = watch::channel(Arc::new(first));
        if cluster {
            keeper.spawn(keep(connector.clone(), sender, wanted.clone()));
        }
        Self { connector, map, wanted, _keeper: Arc::new(keeper) }
    }

    pub(super) fn map(&self) -> Arc<Map> {
        self.map.borrow().clone()
    }

    /// Has the map read again soon.
    pub(super) fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// The map that was read after now, or the present one when that takes too long.
    pub(super) async fn refreshed(&self) -> Arc<Map> {
        let mut map = self.map.clone();
        map.mark_unchanged();
        self.refresh();
        let _ = tokio::time::timeout(REFRESH_WAIT, map.changed()).await;
        self.map()
    }
}

async fn keep(connector: Connector, sender: watch::Sender<Arc<Map>>, wanted: Arc<Notify>) {
    loop {
        let unwell = sender.borrow().nodes.is_empty() || sender.borrow().nodes().any(|node| node.is_down());
        let interval = if unwell { REFRESH_INTERVAL_DOWN } else { REFRESH_INTERVAL };
        // Either is a reason to read the map.
        let _ = tokio::time::timeout(interval, wanted.notified()).await;
        tokio::time::sleep(REFRESH_PAUSE).await;
        let known = sender.borrow().clone();
        if let Some(topology) = read_topology(&connector, &known).await {
            // Sent even when nothing changed: someone may wait for a map that is certain.
            sender.send_replace(Arc::new(known.follow(topology, &connector)));
        }
    }
}

/// Asks one server after the other, at most once each, who holds what.
async fn read_topology(connector: &Connector, known: &Map) -> Option<Topology> {
    let well = known.nodes.iter().filter(|(_, node)| !node.is_down()).map(|(address, _)| address);
    for address in well.chain(connector.seeds()) {
        match ask_topology(connector, address).await {
            Ok(Some(topology)) => return Some(topology),
            Ok(None) => tracing::error!(redis.server = %address, "the answer to CLUSTER SLOTS was not understood"),
            Err(error) => tracing::debug!(redis.server = %address, error = %error, "cannot ask for the slots"),
        }
    }
    None
}

async fn ask_topology(connector: &Connector, address: &Address) -> redis::RedisResult<Option<Topology>> {
    let nothing = |_: PushInfo| Ok::<(), redis::aio::SendError>(());
    let mut connection = connector.connect(address, RESPONSE_TIMEOUT, nothing).await?;
    let answer: redis::Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    Ok(Topology::parse(&answer, address))
}
