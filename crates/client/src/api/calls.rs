use godwit_contract::call::v1::{
    AcceptCallRequest, AcceptCallResponse, CallDirection, CancelCallRequest, CancelCallResponse, CreateCallRequest,
    CreateCallResponse, DeclineCallRequest, DeclineCallResponse, EndCallRequest, EndCallResponse, GetCallResponse,
    ListCallHistoryRequest, ListCallHistoryResponse, ListIceServersResponse,
};
use godwit_contract::v1::CallMedia;
use godwit_kernel::CallId;

use crate::client::Client;
use crate::error::Error;
use crate::http::Target;

impl Client {
    /// `POST /calls`: rings somebody. A repeat with the same `call_id` gets the same call. The answer is another call when
    /// that person rings the caller already: the one that this request has answered.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_call(&self, request: &CreateCallRequest) -> Result<CreateCallResponse, Error> {
        self.call_with(self.http().post(&["calls"]), request).await
    }

    /// `GET /calls/history`: the caller's calls that are over, the newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_call_history(&self, request: &ListCallHistoryRequest) -> Result<ListCallHistoryResponse, Error> {
        let (direction, media) = (request.direction(), request.media());
        let direction = if direction == CallDirection::Unspecified { "" } else { direction.as_str_name() };
        let media = if media == CallMedia::Unspecified { "" } else { media.as_str_name() };
        let target = self.http().get(&["calls", "history"]).query_unless_empty("peer_id", &request.peer_id);
        let target = target.query_unless_empty("direction", direction).query_unless_empty("media", media);
        let target = target.query_unless_empty("missed_only", if request.missed_only { "true" } else { "" });
        let target = target.query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `GET /calls/ice-servers`: STUN and TURN servers, with credentials that work until `expires_at`. To be called before
    /// each call.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_ice_servers(&self) -> Result<ListIceServersResponse, Error> {
        self.call(self.http().get(&["calls", "ice-servers"])).await
    }

    /// `GET /calls/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_call(&self, call_id: CallId) -> Result<GetCallResponse, Error> {
        self.call(self.http().get(&["calls", &call_id.to_string()])).await
    }

    /// `POST /calls/{id}/accept`, by the callee: this device is in the call, and the others stop ringing.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept_call(&self, call_id: CallId) -> Result<AcceptCallResponse, Error> {
        self.call_with(self.call_action(call_id, "accept"), &AcceptCallRequest::default()).await
    }

    /// `POST /calls/{id}/decline`, by the callee, while it rings.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn decline_call(&self, call_id: CallId) -> Result<DeclineCallResponse, Error> {
        self.call_with(self.call_action(call_id, "decline"), &DeclineCallRequest::default()).await
    }

    /// `POST /calls/{id}/cancel`, by the caller, while it rings.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel_call(&self, call_id: CallId) -> Result<CancelCallResponse, Error> {
        self.call_with(self.call_action(call_id, "cancel"), &CancelCallRequest::default()).await
    }

    /// `POST /calls/{id}/end`, by either party, once it was accepted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn end_call(&self, call_id: CallId) -> Result<EndCallResponse, Error> {
        self.call_with(self.call_action(call_id, "end"), &EndCallRequest::default()).await
    }

    fn call_action(&self, call_id: CallId, action: &str) -> Target {
        self.http().post(&["calls", &call_id.to_string(), action])
    }
}
