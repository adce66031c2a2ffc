use godwit_contract::call::v1::call_relay_service_client::CallRelayServiceClient;
use godwit_contract::call::v1::{RelaySignalRequest, ReportDevicesRequest};
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{GetPostingPolicyRequest, GetPostingPolicyResponse};
use godwit_contract::presence::v1::WatchPresenceRequest;
use godwit_contract::presence::v1::presence_watch_service_client::PresenceWatchServiceClient;
use godwit_contract::v1::Presence;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Target, retry_idempotent};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use super::Services;

impl Services {
    /// What the user may do in the chat now.
    pub async fn posting_policy(&self, chat: ChatId, user: UserId) -> Result<GetPostingPolicyResponse, Status> {
        let channel = self.directory.channel(Target::Chat);
        let answer = retry_idempotent(|| async {
            let request = GetPostingPolicyRequest { chat_id: chat.to_string(), user_id: user.to_string() };
            ChatInternalServiceClient::new(channel.clone()).get_posting_policy(request).await
        });
        Ok(answer.await?.into_inner())
    }

    /// Has changes of these people told to a user, and gives their presences as the user may see them.
    pub async fn watch_presence(&self, watch: WatchPresenceRequest) -> Result<Vec<Presence>, Status> {
        let channel = self.directory.channel(Target::Presence);
        let answer = retry_idempotent(|| async {
            PresenceWatchServiceClient::new(channel.clone()).watch_presence(watch.clone()).await
        });
        Ok(answer.await?.into_inner().presences)
    }

    /// Passes a signal on to the other party of a call, on behalf of whom `metadata` names.
    pub async fn relay_signal(&self, signal: RelaySignalRequest, metadata: &MetadataMap) -> Result<(), Status> {
        let mut client = CallRelayServiceClient::new(self.directory.channel(Target::Call));
        client.relay_signal(Request::from_parts(metadata.clone(), Extensions::new(), signal)).await?;
        Ok(())
    }

    /// Tells call-signaling which devices in calls are connected here.
    pub async fn report_devices(&self, report: ReportDevicesRequest) -> Result<(), Status> {
        let mut client = CallRelayServiceClient::new(self.directory.channel(Target::Call));
        client.report_devices(report).await?;
        Ok(())
    }
}
