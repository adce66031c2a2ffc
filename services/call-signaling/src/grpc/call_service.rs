use std::sync::Arc;

use godwit_contract::call::v1::call_service_server::CallService;
use godwit_contract::call::v1::{
    AcceptCallRequest, AcceptCallResponse, CancelCallRequest, CancelCallResponse, CreateCallRequest,
    CreateCallResponse, DeclineCallRequest, DeclineCallResponse, EndCallRequest, EndCallResponse, GetCallRequest,
    GetCallResponse,
};
use godwit_contract::v1;
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status};

use super::decode::decode_media;
use crate::Error;
use crate::app::{App, CallToMake};
use crate::domain::{Event, Party};
use crate::events::outgoing::encode_call;

/// `godwit.call.v1.CallService`.
pub struct CallGrpc {
    app: Arc<App>,
}

impl CallGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn create(&self, caller: Caller, request: CreateCallRequest) -> Result<v1::Call, Error> {
        let asked = CallToMake {
            id: parse_id("call_id", &request.call_id)?,
            caller: party(caller),
            callee_id: parse_id("callee_id", &request.callee_id)?,
            media: decode_media(request.media)?,
        };
        Ok(encode_call(&self.app.create_call(asked).await?))
    }

    async fn get(&self, caller: Caller, call_id: &str) -> Result<v1::Call, Error> {
        Ok(encode_call(&self.app.get_call(parse_id("call_id", call_id)?, caller.user_id).await?))
    }

    async fn act(&self, caller: Caller, call_id: &str, event: Event) -> Result<Option<v1::Call>, Status> {
        let call_id = parse_id("call_id", call_id).map_err(to_status)?;
        let call = self.app.act_on_call(call_id, party(caller), event).await.map_err(to_status)?;
        Ok(Some(encode_call(&call)))
    }
}

const fn party(caller: Caller) -> Party {
    Party { user_id: caller.user_id, device_id: caller.device_id }
}

#[tonic::async_trait]
impl CallService for CallGrpc {
    async fn create_call(&self, request: Request<CreateCallRequest>) -> Result<Response<CreateCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.create(caller, request.into_inner()).await.map_err(to_status)?;
        Ok(Response::new(CreateCallResponse { call: Some(call) }))
    }

    async fn get_call(&self, request: Request<GetCallRequest>) -> Result<Response<GetCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.get(caller, &request.into_inner().call_id).await.map_err(to_status)?;
        Ok(Response::new(GetCallResponse { call: Some(call) }))
    }

    async fn accept_call(&self, request: Request<AcceptCallRequest>) -> Result<Response<AcceptCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.act(caller, &request.into_inner().call_id, Event::Accept).await?;
        Ok(Response::new(AcceptCallResponse { call }))
    }

    async fn decline_call(
        &self,
        request: Request<DeclineCallRequest>,
    ) -> Result<Response<DeclineCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.act(caller, &request.into_inner().call_id, Event::Decline).await?;
        Ok(Response::new(DeclineCallResponse { call }))
    }

    async fn cancel_call(&self, request: Request<CancelCallRequest>) -> Result<Response<CancelCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.act(caller, &request.into_inner().call_id, Event::Cancel).await?;
        Ok(Response::new(CancelCallResponse { call }))
    }

    async fn end_call(&self, request: Request<EndCallRequest>) -> Result<Response<EndCallResponse>, Status> {
        let caller = Caller::of(&request)?;
        let call = self.act(caller, &request.into_inner().call_id, Event::End).await?;
        Ok(Response::new(EndCallResponse { call }))
    }
}
