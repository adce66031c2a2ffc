use godwit_contract::events::v1::{LivePayload, SessionRevoked, live_payload};
use godwit_live::Channel;
use prost::Message as _;

use super::App;
use crate::domain::EndedSession;

impl App {
    /// Tells every gateway, after the commit, which sessions are over. A gateway that does not hear it, because the link
    /// to it is down, asks `ListRevocations` when the link is back.
    pub(super) async fn announce(&self, ended: impl IntoIterator<Item = EndedSession>) {
        for session in ended {
            self.announce_one(session).await;
        }
    }

    async fn announce_one(&self, EndedSession { revocation, cause }: EndedSession) {
        metrics::counter!("godwit_auth_revocations_total", "cause" => cause.as_str()).increment(1);
        let payload = LivePayload {
            payload: Some(live_payload::Payload::SessionRevoked(SessionRevoked {
                session_id: revocation.session_id.to_string(),
                user_id: revocation.user_id.to_string(),
            })),
        };
        let payload = bytes::Bytes::from(payload.encode_to_vec());
        let messages = vec![(Channel::Sessions, payload.clone()), (Channel::User(revocation.user_id), payload)];
        if let Err(error) = self.live.publish(messages).await {
            metrics::counter!("godwit_auth_revocations_unannounced_total").increment(1);
            tracing::warn!(
                session.id = %revocation.session_id,
                error = &error as &dyn std::error::Error,
                "a revocation could not be announced"
            );
        }
    }
}
