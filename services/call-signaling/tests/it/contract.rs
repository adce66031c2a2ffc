use std::sync::Arc;

use godwit_call_signaling::CallGrpc;
use godwit_call_signaling::domain::Party;
use godwit_contract::call::v1::call_service_client::CallServiceClient;
use godwit_contract::call::v1::call_service_server::CallServiceServer;
use godwit_contract::call::v1::{
    AcceptCallRequest, CancelCallRequest, CreateCallRequest, EndCallRequest, GetCallRequest,
};
use godwit_contract::v1::{CallMedia, CallState};
use godwit_kernel::{SessionId, SystemClock, SystemEntropy};
use godwit_rpc::{Caller, Channel, Directory, Failure, LocalRoutes, ServerLayer, Target};
use tonic::service::Routes;
use tonic::{Code, Request};

use crate::replica::{Replica, World, new_call_id, person};

fn client(replica: &Replica) -> CallServiceClient<Channel> {
    let routes = LocalRoutes::new();
    let service = CallServiceServer::new(CallGrpc::new(Arc::clone(&replica.app), replica.leader()));
    routes.bind(Routes::new(service), &ServerLayer::default());
    CallServiceClient::new(Directory::new(routes, [Target::Call]).channel(Target::Call))
}

fn by<T>(party: Party, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
    Caller { user_id: party.user_id, session_id, device_id: party.device_id }.attach(&mut request);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_from_create_to_end_over_grpc() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut calls = client(&replica);
    let call_id = new_call_id().to_string();
    let create = CreateCallRequest {
        callee_id: world.bob.user_id.to_string(),
        media: CallMedia::Voice.into(),
        call_id: call_id.clone(),
    };
    let call = calls.create_call(by(world.ada, create)).await.unwrap().into_inner().call.unwrap();
    assert_eq!(
        (call.id.as_str(), call.state(), call.media()),
        (call_id.as_str(), CallState::Ringing, CallMedia::Voice)
    );
    assert_eq!(call.caller_device_id, world.ada.device_id.to_string());
    let accept = AcceptCallRequest { call_id: call_id.clone() };
    let call = calls.accept_call(by(world.bob, accept)).await.unwrap().into_inner().call.unwrap();
    assert_eq!((call.state(), call.callee_device_id), (CallState::Accepted, world.bob.device_id.to_string()));
    let end = EndCallRequest { call_id: call_id.clone() };
    let ended = calls.end_call(by(world.ada, end)).await.unwrap().into_inner().call.unwrap();
    assert!(ended.ended_at.is_some());
    let get = GetCallRequest { call_id };
    let call = calls.get_call(by(world.bob, get)).await.unwrap().into_inner().call.unwrap();
    assert_eq!(call, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_by_reason() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut calls = client(&replica);
    let good = CreateCallRequest {
        callee_id: world.bob.user_id.to_string(),
        media: CallMedia::Video.into(),
        call_id: new_call_id().to_string(),
    };
    for (request, field) in [
        (CreateCallRequest { call_id: "x".to_owned(), ..good.clone() }, "call_id"),
        (CreateCallRequest { callee_id: String::new(), ..good.clone() }, "callee_id"),
        (CreateCallRequest { media: 0, ..good.clone() }, "media"),
        (CreateCallRequest { media: 9, ..good.clone() }, "media"),
    ] {
        let refused = Failure::from_status(&calls.create_call(by(world.ada, request)).await.unwrap_err());
        assert_eq!((refused.reason.as_str(), refused.fields[0].field.as_str()), ("INVALID_ARGUMENT", field));
    }
    let refused = Failure::from_status(&calls.create_call(Request::new(good.clone())).await.unwrap_err());
    assert_eq!(refused.reason, "UNAUTHENTICATED");
    let stranger = CreateCallRequest { callee_id: person().user_id.to_string(), ..good.clone() };
    let refused = Failure::from_status(&calls.create_call(by(world.ada, stranger)).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "CALLEE_NOT_FOUND"));

    calls.create_call(by(world.ada, good.clone())).await.unwrap();
    let other = CreateCallRequest { media: CallMedia::Voice.into(), ..good.clone() };
    let refused = Failure::from_status(&calls.create_call(by(world.ada, other)).await.unwrap_err());
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "CALL_ID_REUSED"));
    let cancel = CancelCallRequest { call_id: good.call_id.clone() };
    let refused = Failure::from_status(&calls.cancel_call(by(world.bob, cancel)).await.unwrap_err());
    assert_eq!((refused.http_status(), refused.reason.as_str()), (403, "CALL_WRONG_PARTY"));
    let end = EndCallRequest { call_id: good.call_id };
    let refused = Failure::from_status(&calls.end_call(by(world.ada, end)).await.unwrap_err());
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "CALL_WRONG_STATE"));
}
