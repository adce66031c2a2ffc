use godwit_contract::call::v1::{
    AcceptCallRequest, AcceptCallResponse, CancelCallRequest, CancelCallResponse, CreateCallRequest,
    CreateCallResponse, DeclineCallRequest, DeclineCallResponse, EndCallRequest, EndCallResponse, GetCallResponse,
};
use godwit_kernel::CallId;

use crate::client::Client;
use crate::error::Error;
use crate::http::Target;

impl Client {
    /// `POST /calls`: rings somebody. A repeat with the same `call_id` gets the same call.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_call(&self, request: &CreateCallRequest) -> Result<CreateCallResponse, Error> {
        self.call_with(self.http().post(&["calls"]), request).await
    }

    /// `GET /calls/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_call(&self, call_id: CallId) -> Result<GetCallResponse, Error> {
        self.call(self.http().get(&["calls", &call_id.to_string()])).await
    }

    /// `POST /calls/{id}/accept`, by the callee.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept_call(&self, call_id: CallId) -> Result<AcceptCallResponse, Error> {
        self.call_with(self.call_action(call_id, "accept"), &AcceptCallRequest::default()).await
    }

    /// `POST /calls/{id}/decline`, by the callee.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn decline_call(&self, call_id: CallId) -> Result<DeclineCallResponse, Error> {
        self.call_with(self.call_action(call_id, "decline"), &DeclineCallRequest::default()).await
    }

    /// `POST /calls/{id}/cancel`, by the caller.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel_call(&self, call_id: CallId) -> Result<CancelCallResponse, Error> {
        self.call_with(self.call_action(call_id, "cancel"), &CancelCallRequest::default()).await
    }

    /// `POST /calls/{id}/end`, by either party.
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
