use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use godwit_runtime::Secret;

use crate::member::Member;
use crate::raft::NodeOptions;
use crate::turn::{Turn, TurnServer};

/// The replica of the call group.
#[derive(clap::Args)]
pub struct Config {
    /// Number of this replica within the group; it never changes.
    #[arg(long = "call-node-id", env = "GODWIT_CALL_NODE_ID", value_name = "GODWIT_CALL_NODE_ID", default_value_t = 1)]
    pub node_id: u64,

    /// Every replica as `number=address`, separated by commas, such as `1=http://call-0:9090,2=http://call-1:9090`.
    /// Read at the very first start of the group. Default: this replica alone.
    #[arg(
        long = "call-members",
        env = "GODWIT_CALL_MEMBERS",
        value_name = "GODWIT_CALL_MEMBERS",
        value_delimiter = ','
    )]
    pub members: Vec<Member>,

    /// Directory of the replicated log; it must survive restarts and belong to this replica alone.
    #[arg(
        long = "call-data-dir",
        env = "GODWIT_CALL_DATA_DIR",
        value_name = "GODWIT_CALL_DATA_DIR",
        default_value = ".godwit/call"
    )]
    pub data_dir: PathBuf,

    /// STUN servers that clients are told, as `stun:host:port`, separated by commas.
    #[arg(
        long = "call-stun-urls",
        env = "GODWIT_CALL_STUN_URLS",
        value_name = "GODWIT_CALL_STUN_URLS",
        value_delimiter = ','
    )]
    pub stun_urls: Vec<String>,

    /// TURN servers that clients are told, as `turn:host:port` or `turns:host:port`, with `?transport=tcp` behind and
    /// `region=` before it where that matters, separated by commas.
    #[arg(
        long = "call-turn-urls",
        env = "GODWIT_CALL_TURN_URLS",
        value_name = "GODWIT_CALL_TURN_URLS",
        value_delimiter = ','
    )]
    pub turn_urls: Vec<TurnServer>,

    /// The secret that the TURN servers share with this service: `static-auth-secret` of coturn. Without it clients are
    /// told no TURN server.
    #[arg(
        long = "call-turn-secret",
        env = "GODWIT_CALL_TURN_SECRET",
        value_name = "GODWIT_CALL_TURN_SECRET",
        hide_env_values = true
    )]
    pub turn_secret: Option<Secret>,

    /// How long a client's TURN credentials work, in seconds.
    #[arg(
        long = "call-turn-ttl-secs",
        env = "GODWIT_CALL_TURN_TTL_SECS",
        value_name = "GODWIT_CALL_TURN_TTL_SECS",
        default_value_t = 43_200,
        value_parser = clap::value_parser!(u32).range(60..=86_400)
    )]
    pub turn_ttl_secs: u32,
}

impl Config {
    /// The replica that these options describe.
    ///
    /// # Errors
    /// When a member is named twice or this replica is not among them.
    pub fn node_options(&self) -> anyhow::Result<NodeOptions> {
        let mut members = BTreeMap::new();
        for Member { number, address } in &self.members {
            if members.insert(*number, address.clone()).is_some() {
                bail!("GODWIT_CALL_MEMBERS: replica {number} is named twice");
            }
        }
        if members.is_empty() {
            members.insert(self.node_id, String::new());
        }
        if !members.contains_key(&self.node_id) {
            bail!("GODWIT_CALL_MEMBERS does not name replica {} (GODWIT_CALL_NODE_ID)", self.node_id);
        }
        Ok(NodeOptions { node_id: self.node_id, members, data_dir: self.data_dir.clone() })
    }

    /// The servers that help devices to connect.
    ///
    /// # Errors
    /// When a STUN server is none, or TURN servers have no secret.
    pub fn turn(&self) -> anyhow::Result<Turn> {
        for url in &self.stun_urls {
            if !["stun:", "stuns:"].iter().any(|scheme| url.starts_with(scheme)) {
                bail!("GODWIT_CALL_STUN_URLS: {url:?} is not stun:host:port");
            }
        }
        if !self.turn_urls.is_empty() && self.turn_secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
            bail!("GODWIT_CALL_TURN_URLS needs GODWIT_CALL_TURN_SECRET");
        }
        Ok(Turn {
            stun_urls: self.stun_urls.clone(),
            servers: self.turn_urls.clone(),
            secret: self.turn_secret.clone(),
            ttl: time::Duration::seconds(self.turn_ttl_secs.into()),
        })
    }
}
