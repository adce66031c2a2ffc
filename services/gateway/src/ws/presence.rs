use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use godwit_contract::presence::v1::{ForegroundDevices, ReportNodeRequest};
use godwit_kernel::{DeviceId, NodeId, UserId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::people::Activity;
use crate::clients::Services;
use crate::edge::Edge;

/// Users who come and go within this time are reported together.
const GATHER: Duration = Duration::from_millis(100);
const FIRST_LEASE: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long those who are here may take to leave when the gateway stops. Its sockets are closed by then.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(12);
/// The most users of one report, either way: few enough to be taken in well within a call.
const REPORT_USERS_MAX: usize = 2_000;

/// The most devices of one user that are told: nobody has more in front of them.
const DEVICES_MAX: usize = 100;

/// Tells presence who is here: one lease for the node, and whoever came or went.
pub struct Reporter {
    node: NodeId,
    hub: Arc<Hub>,
    services: Services,
    /// What presence was not told yet: what the user does here, or that they are not.
    untold: HashMap<UserId, Option<Activity>>,
    lease: Duration,
}

impl Reporter {
    /// The reporter of this process.
    pub fn new(edge: &Edge) -> Self {
        Self {
            node: edge.node_id,
            hub: Arc::clone(&edge.hub),
            services: edge.services.clone(),
            untold: HashMap::new(),
            lease: FIRST_LEASE,
        }
    }

    /// Reports until `stop` and until all who are here have taken their leave, then gives the lease back.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let hub = Arc::clone(&self.hub);
        let all_left = async {
            stop.cancelled().await;
            let until = Instant::now() + LEAVE_TIMEOUT;
            while !hub.people.is_empty() && Instant::now() < until {
                tokio::time::sleep(GATHER).await;
            }
        };
        tokio::select! {
            () = all_left => {}
            () = self.report_for_ever() => {}
        }
        // Who left last is told so, so that their grace begins now and not when the lease ends.
        self.report().await;
        let leave = ReportNodeRequest { leaving: true, ..self.empty_report() };
        if let Err(status) = self.services.report_node(leave).await {
            tracing::info!(code = ?status.code(), "presence was not told that this gateway goes: its lease will end");
        }
        Ok(())
    }

    async fn report_for_ever(&mut self) {
        loop {
            let is_told = self.report().await;
            // Within a third of the lease, so that two reports may fail.
            let next = Instant::now() + if is_told { self.lease / 3 } else { RETRY_AFTER };
            if tokio::time::timeout_at(next, self.hub.people.stirred.notified()).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
            if !is_told {
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// Tells all that is untold, and renews the lease; whether that went through.
    async fn report(&mut self) -> bool {
        self.untold.extend(self.hub.people.take_changed());
        let mut has_resent = false;
        loop {
            let (report, users) = self.next_report();
            match self.services.report_node(report).await {
                Ok(answer) => {
                    self.lease = Duration::from_millis(answer.lease_ms.max(1_000).into());
                    for user in users {
                        self.untold.remove(&user);
                    }
                    // Once a round, whatever presence answers.
                    if answer.resend_all && !has_resent {
                        has_resent = true;
                        self.untold.extend(self.hub.people.all());
                    }
                }
                Err(status) => {
                    tracing::debug!(code = ?status.code(), "presence cannot be told now");
                    return false;
                }
            }
            if self.untold.is_empty() {
                return true;
            }
        }
    }

    fn next_report(&self) -> (ReportNodeRequest, Vec<UserId>) {
        let mut report = self.empty_report();
        let mut users = Vec::new();
        for (user, activity) in self.untold.iter().take(REPORT_USERS_MAX) {
            users.push(*user);
            if *activity == Some(Activity::Active) {
                report.foreground.push(self.foreground_of(*user));
            }
            let list = match activity {
                Some(Activity::Active) => &mut report.joined_user_ids,
                Some(Activity::Away) => &mut report.away_user_ids,
                None => &mut report.left_user_ids,
            };
            list.push(user.to_string());
        }
        (report, users)
    }

    fn foreground_of(&self, user: UserId) -> ForegroundDevices {
        let devices = self.hub.people.devices_in_front(user);
        let device_ids = devices.iter().take(DEVICES_MAX).map(DeviceId::to_string).collect();
        ForegroundDevices { user_id: user.to_string(), device_ids }
    }

    fn empty_report(&self) -> ReportNodeRequest {
        ReportNodeRequest { node_id: self.node.to_string(), ..ReportNodeRequest::default() }
    }
}
