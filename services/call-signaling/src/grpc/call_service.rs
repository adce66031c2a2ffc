use std::sync::Arc;

use godwit_contract::call::v1::call_service_client::CallServiceClient;
use godwit_contract::call::v1::call_service_server::CallService;
use godwit_contract::call::v1::{
    AcceptCallRequest, AcceptCallResponse, CancelCallRequest, CancelCallResponse, CreateCallRequest,
    CreateCallResponse, DeclineCallRequest, DeclineCallResponse, EndCallRequest, EndCallResponse, GetCallRequest,
    GetCallResponse, ListCallHistoryRequest, ListCallHistoryResponse, ListIceServersRequest, ListIceServersResponse,
};
use godwit_contract::v1;
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status};

use super::decode::{decode_history_query, decode_media};
use super::encode::encode_ice_servers;
use super::leader::{Asked, Leader, Repeat};
use crate::Error;
use crate::app::{App, CallToMake};
use crate::domain::{Event, Party};
use crate::events::outgoing::encode_call;

/// `godwit.call.v1.CallService`. What needs the machine is served by the replica that leads; history and ICE servers by
/// any.
pub struct CallGrpc {
    app: Arc<App>,
    leader: Leader,
}

impl CallGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>, leader: Leader) -> Self {
        Self { app, leader }
    }

    async fn create(&self, caller: Caller, request: CreateCallRequest) -> Result<CreateCallResponse, Error> {
        let asked = CallToMake {
            id: parse_id("call_id", &request.call_id)?,
            caller: party(caller),
            callee_id: parse_id("callee_id", &request.callee_id)?,
            media: decode_media(request.media)?,
        };
        let call = self.app.create_call(asked).await?;
        Ok(CreateCallResponse { call: Some(encode_call(&call)) })
    }

    async fn get(&self, caller: Caller, request: GetCallRequest) -> Result<GetCallResponse, Error> {
        let call = self.app.get_call(parse_id("call_id", &request.call_id)?, caller.user_id).await?;
        Ok(GetCallResponse { call: Some(encode_call(&call)) })
    }

    async fn act(&self, caller: Caller, call_id: String, event: Event) -> Result<Option<v1::Call>, Error> {
        let call = self.app.act_on_call(parse_id("call_id", &call_id)?, party(caller), event).await?;
        Ok(Some(encode_call(&call)))
    }

    async fn list_history(
        &self,
        caller: Caller,
        request: ListCallHistoryRequest,
    ) -> Result<ListCallHistoryResponse, Error> {
        let page = self.app.list_history(caller.user_id, decode_history_query(request)?).await?;
        Ok(ListCallHistoryResponse {
            calls: page.calls.iter().map(encode_call).collect(),
            next_cursor: page.next_cursor,
        })
    }
}

pub(super) const fn party(caller: Caller) -> Party {
    Party { user_id: caller.user_id, device_id: caller.device_id, session_id: Some(caller.session_id) }
}

#[tonic::async_trait]
impl CallService for CallGrpc {
    async fn create_call(&self, request: Request<CreateCallRequest>) -> Result<Response<CreateCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message| self.create(caller, message);
        let there = |channel, request| async { CallServiceClient::new(channel).create_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn get_call(&self, request: Request<GetCallRequest>) -> Result<Response<GetCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message| self.get(caller, message);
        let there = |channel, request| async { CallServiceClient::new(channel).get_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn accept_call(&self, request: Request<AcceptCallRequest>) -> Result<Response<AcceptCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message: AcceptCallRequest| async {
            Ok(AcceptCallResponse { call: self.act(caller, message.call_id, Event::Accept).await? })
        };
        let there = |channel, request| async { CallServiceClient::new(channel).accept_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn decline_call(
        &self,
        request: Request<DeclineCallRequest>,
    ) -> Result<Response<DeclineCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message: DeclineCallRequest| async {
            Ok(DeclineCallResponse { call: self.act(caller, message.call_id, Event::Decline).await? })
        };
        let there = |channel, request| async { CallServiceClient::new(channel).decline_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn cancel_call(&self, request: Request<CancelCallRequest>) -> Result<Response<CancelCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message: CancelCallRequest| async {
            Ok(CancelCallResponse { call: self.act(caller, message.call_id, Event::Cancel).await? })
        };
        let there = |channel, request| async { CallServiceClient::new(channel).cancel_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn end_call(&self, request: Request<EndCallRequest>) -> Result<Response<EndCallResponse>, Status> {
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Harmless));
        let here = |message: EndCallRequest| async {
            Ok(EndCallResponse { call: self.act(caller, message.call_id, Event::End).await? })
        };
        let there = |channel, request| async { CallServiceClient::new(channel).end_call(request).await };
        self.leader.serve(asked, request.into_inner(), here, there).await
    }

    async fn list_call_history(
        &self,
        request: Request<ListCallHistoryRequest>,
    ) -> Result<Response<ListCallHistoryResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.list_history(caller, request.into_inner()).await.map(Response::new).map_err(to_status)
    }

    async fn list_ice_servers(
        &self,
        request: Request<ListIceServersRequest>,
    ) -> Result<Response<ListIceServersResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(encode_ice_servers(self.app.list_ice_servers(caller.user_id))))
    }
}
