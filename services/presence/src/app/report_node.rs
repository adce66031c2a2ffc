use std::collections::HashSet;
use std::time::Duration;

use godwit_kernel::UserId;

use super::App;
use crate::domain::{Activity, Intent, Lease, Report};
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
    /// Takes in who came to a node, who left it and who is away there, and renews its lease. When this fails, nothing or
    /// only a part was taken in, and the node reports the same again.
    ///
    /// # Errors
    /// When live or the database does not answer.
    #[tracing::instrument(name = "presence.report_node", skip_all, fields(node.id = %report.node_id), err(level = "debug"))]
    pub async fn report_node(&self, report: Report) -> Result<NodeLease, Error> {
        let report_within = self.roster.lease_ttl() / 2;
        if report.intent == Intent::Leave {
            self.roster.retire(report.node_id, self.grace, self.clock.now()).await?;
            self.lease_ended.notify_one();
            return Ok(NodeLease { report_within, resend_all: false });
        }
        let fresh = Lease::generate(report.node_id, self.entropy.as_ref());
        let renewal = self.roster.renew(fresh, self.clock.now()).await?;
        let lease = renewal.lease;
        let joined: HashSet<UserId> = report.joined.iter().copied().collect();
        let away: Vec<UserId> = report.away.iter().copied().filter(|user| !joined.contains(user)).collect();
        self.let_linger(lease, &report.left, &away).await?;
        self.part_users(lease, &report.left, self.clock.now()).await?;
        for (users, activity) in [(&report.joined, Activity::Active), (&away, Activity::Away)] {
            let changed = self.roster.join(lease, users, activity).await?;
            self.announcements.add(changed);
        }
        self.roster.set_foreground(lease, &report.foreground).await?;
        Ok(NodeLease { report_within, resend_all: renewal.resend_all })
    }

    /// What gets worse does so only after the grace: until then who left, or went away, is held as they were by a lease
    /// of no node, which is taken apart like that of a dead one. Who is back by then was never gone, and nobody is told.
    async fn let_linger(&self, lease: Lease, left: &[UserId], away: &[UserId]) -> Result<(), Error> {
        if self.grace.is_zero() || (left.is_empty() && away.is_empty()) {
            return Ok(());
        }
        let mut active = self.roster.at(lease, away, Activity::Active).await?;
        active.extend(self.roster.at(lease, left, Activity::Active).await?);
        let away = self.roster.at(lease, left, Activity::Away).await?;
        if active.is_empty() && away.is_empty() {
            return Ok(());
        }
        let fresh = Lease::of_nobody(self.clock.as_ref(), self.entropy.as_ref());
        let lingering = self.roster.linger(fresh, self.grace, self.clock.now()).await?;
        for (users, activity) in [(active, Activity::Active), (away, Activity::Away)] {
            self.roster.join(lingering, &users, activity).await?;
        }
        Ok(())
    }
}
