use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::raft::NodeOptions;

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
    pub members: Vec<String>,

    /// Directory of the replicated log; it must survive restarts and belong to this replica alone.
    #[arg(
        long = "call-data-dir",
        env = "GODWIT_CALL_DATA_DIR",
        value_name = "GODWIT_CALL_DATA_DIR",
        default_value = ".godwit/call"
    )]
    pub data_dir: PathBuf,
}

impl Config {
    /// The replica that these options describe.
    ///
    /// # Errors
    /// When the members cannot be read or this replica is not among them.
    pub fn node_options(&self) -> anyhow::Result<NodeOptions> {
        let mut members = BTreeMap::new();
        for member in &self.members {
            let (id, address) = member
                .split_once('=')
                .with_context(|| format!("GODWIT_CALL_MEMBERS: {member:?} is not number=address"))?;
            let id: u64 = id.trim().parse().with_context(|| format!("GODWIT_CALL_MEMBERS: {id:?} is not a number"))?;
            if members.insert(id, address.trim().to_owned()).is_some() {
                bail!("GODWIT_CALL_MEMBERS: replica {id} is named twice");
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
}
