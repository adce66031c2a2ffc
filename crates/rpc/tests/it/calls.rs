use std::time::{Duration, Instant};

use godwit_contract::presence::v1::presence_internal_service_client::PresenceInternalServiceClient;
use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_rpc::{Caller, Directory, Failure, LocalRoutes, ServerOptions, Target};
use tokio::net::TcpListener;
use tonic::{Code, Request, Status};

use crate::harness::{WAYS, Way, asked, patient, remote, stage};

fn reason(status: &Status) -> String {
    Failure::from_status(status).reason
}

#[tokio::test]
async fn an_answer_comes_back() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        assert_eq!(stage.client.report_node(asked("lease")).await.unwrap().into_inner().lease_ms, 7, "{way:?}");
    }
}

#[tokio::test]
async fn a_refusal_arrives_with_its_reason_and_fields() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let failure = Failure::from_status(&stage.client.report_node(asked("refuse")).await.unwrap_err());
        assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"), "{way:?}");
        assert_eq!(failure.fields.len(), 1);
        assert_eq!(failure.fields.first().unwrap().field, "joined_user_ids");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_one_call() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let status = stage.client.report_node(asked("panic")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"), "{way:?}");
        assert!(!status.message().contains("puppet"));
        assert!(stage.client.report_node(asked("lease")).await.is_ok());
    }
}

#[tokio::test]
async fn a_call_ends_at_the_deadline_its_maker_set() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let mut request = Request::new(asked("hang"));
        request.set_timeout(Duration::from_millis(80));
        let started = Instant::now();
        let status = stage.client.report_node(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{way:?}");
        assert!(started.elapsed() >= Duration::from_millis(80));
    }
}

#[tokio::test]
async fn a_server_ends_what_takes_longer_than_it_allows() {
    for way in WAYS {
        let options = ServerOptions { deadline: Duration::from_millis(80), ..patient() };
        let mut stage = stage(way, options).await;
        let status = stage.client.report_node(asked("hang")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{way:?}");
    }
}

#[tokio::test]
async fn a_call_made_for_another_inherits_its_deadline_and_request_id() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let mut onward = asked("onward");
        onward.joined_user_ids = vec!["request-id".to_owned()];
        let mut request = Request::new(onward.clone());
        request.metadata_mut().insert("godwit-request-id", "r7".parse().unwrap());
        assert_eq!(stage.client.report_node(request).await.unwrap().into_inner().lease_ms, 3, "{way:?}");

        onward.joined_user_ids = vec!["hang".to_owned()];
        let mut request = Request::new(onward);
        request.set_timeout(Duration::from_millis(80));
        let status = stage.client.report_node(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{way:?}");
    }
}

#[tokio::test]
async fn what_is_over_the_limit_is_refused_at_once() {
    for way in WAYS {
        let mut stage = stage(way, ServerOptions { max_in_flight: 1, ..patient() }).await;
        let mut holder = stage.client.clone();
        let held = holder.report_node(asked("hold"));
        let meanwhile = async {
            stage.puppet.held.notified().await;
            let status = stage.client.report_node(asked("lease")).await.unwrap_err();
            stage.puppet.release.notify_one();
            status
        };
        let (held, refused) = tokio::join!(held, meanwhile);
        assert!(held.is_ok(), "{way:?}");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "OVERLOADED"), "{way:?}");
        assert!(stage.client.report_node(asked("lease")).await.is_ok());
    }
}

#[tokio::test]
async fn the_caller_arrives() {
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let status = stage.client.report_node(asked("caller")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"), "{way:?}");
        let mut request = Request::new(asked("caller"));
        let caller = Caller {
            user_id: UserId::generate(&SystemClock, &SystemEntropy),
            session_id: SessionId::generate(&SystemClock, &SystemEntropy),
            device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
        };
        caller.attach(&mut request);
        assert!(stage.client.report_node(request).await.is_ok(), "{way:?}");
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().to_string();
    drop(listener);
    let nowhere = Directory::new(LocalRoutes::new(), []);
    let starting = Directory::new(LocalRoutes::new(), [Target::Presence]);
    for (directory, expected) in [(remote(&closed), "UNAVAILABLE"), (nowhere, "NO_ENDPOINT"), (starting, "STARTING")] {
        for channel in [directory.channel(Target::Presence), directory.for_key(Target::Presence, b"key")] {
            let mut client = PresenceInternalServiceClient::new(channel);
            let status = client.report_node(asked("lease")).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, expected));
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    for urls in [vec![], vec!["presence:50051".to_owned()], vec!["http://a b".to_owned()]] {
        assert!(Directory::new(LocalRoutes::new(), []).with_remote(Target::Presence, &urls).is_err(), "{urls:?}");
    }
}

#[test]
fn a_local_call_runs_on_the_runtime_of_its_server() {
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (servers, workers) = (tokio::runtime::Runtime::new().unwrap(), build());
    let stage = servers.block_on(stage(Way::Local, patient()));
    let mut client = stage.client.clone();
    let lease = workers.block_on(client.report_node(asked("runtime"))).unwrap().into_inner();
    assert!(lease.resend_all, "the handler saw the server's runtime");

    drop(stage);
    servers.shutdown_background();
    let status = workers.block_on(client.report_node(asked("lease"))).unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STOPPING"));
}
