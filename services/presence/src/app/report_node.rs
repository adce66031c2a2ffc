use std::time::Duration;

use super::App;
use crate::domain::{Intent, Lease, Report};
use crate::error::Error;

/// What a node is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLease {
    /// The node reports again within this time.
    pub report_within: Duration,
    /// The node reports all its users.
    pub resend_all: bool,
}

impl App {
    /// Takes in who came to a node and who left it, and renews its lease. When this fails, nothing or only a part was
    /// taken in, and the node reports the same again.
    ///
    /// # Errors
    /// When live or the database does not answer.
    #[tracing::instrument(name = "presence.report_node", skip_all, fields(node.id = %report.node_id), err(level = "debug"))]
    pub async fn report_node(&self, report: Report) -> Result<NodeLease, Error> {
        let report_within = self.roster.lease_ttl() / 2;
        if report.intent == Intent::Leave {
            self.roster.release(report.node_id).await?;
            self.lease_ended.notify_one();
            return Ok(NodeLease { report_within, resend_all: false });
        }
        let fresh = Lease::generate(report.node_id, self.entropy.as_ref());
        let renewal = self.roster.renew(fresh).await?;
        self.part_users(renewal.lease, &report.left).await?;
        let arrived = self.roster.join(renewal.lease, &report.joined).await?;
        self.announcements.add(arrived);
        Ok(NodeLease { report_within, resend_all: renewal.resend_all })
    }
}
