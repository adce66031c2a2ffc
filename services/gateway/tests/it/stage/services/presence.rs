use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalService;
use godwit_contract::presence::v1::presence_watch_service_server::PresenceWatchService;
use godwit_contract::presence::v1::{
    ReportNodeRequest, ReportNodeResponse, WatchPresenceRequest, WatchPresenceResponse,
};
use godwit_contract::v1::Presence;
use tonic::{Request, Response};

use super::{Answer, Services};

#[tonic::async_trait]
impl PresenceInternalService for Services {
    async fn report_node(&self, request: Request<ReportNodeRequest>) -> Answer<ReportNodeResponse> {
        self.reports.lock().push(request.into_inner());
        let resend_all = std::mem::take(&mut *self.ask_for_all.lock());
        Ok(Response::new(ReportNodeResponse { lease_ms: 3_000, resend_all }))
    }
}

#[tonic::async_trait]
impl PresenceWatchService for Services {
    /// Everybody is online, but for whom nobody asked by an id.
    async fn watch_presence(&self, request: Request<WatchPresenceRequest>) -> Answer<WatchPresenceResponse> {
        let request = request.into_inner();
        let online = |user_id: &String| Presence { user_id: user_id.clone(), status: 1, ..Presence::default() };
        let presences = request.watched_user_ids.iter().map(online).collect();
        self.watches.lock().push(request);
        Ok(Response::new(WatchPresenceResponse { presences }))
    }
}
