use clap::{Args as _, FromArgMatches as _};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ResyncFrame, ServerFrame};
use godwit_kernel::{DeviceId, SystemClock, SystemEntropy};
use godwit_rpc::{Caller, Directory, LocalRoutes};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::super::frames::{Encoding, Wire};
use super::super::outbox::{Item, Outbox};
use super::*;

fn hub() -> Arc<Hub> {
    let matches = Config::augment_args(clap::Command::new("test")).get_matches_from(["test"]);
    let config = Config::from_arg_matches(&matches).unwrap();
    let services = Services::new(Directory::new(LocalRoutes::new(), []));
    Arc::new(Hub::new(&config, services, Arc::default(), Arc::new(SystemEntropy)))
}

fn socket(user_id: UserId, encoding: Encoding) -> Arc<Socket> {
    let caller = Caller {
        user_id,
        session_id: SessionId::generate(&SystemClock, &SystemEntropy),
        device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
    };
    let socket = Socket { caller, scope: Scope::User, outbox: Outbox::new(encoding) };
    socket.outbox.open(Wire::Text("connected".into()));
    Arc::new(socket)
}

fn event(user: UserId) -> Delivery {
    let frame = ServerFrame { id: String::new(), frame: Some(Frame::Resync(ResyncFrame::default())) };
    let payload = LivePayload { payload: Some(Payload::ServerFrame(frame.encode_to_vec().into())) };
    Delivery::Message { channel: Channel::User(user), payload: payload.encode_to_vec().into() }
}

#[test]
fn an_event_is_made_json_once_however_many_json_clients_get_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let hub = hub();
        let [with_json, without] = [(); 2].map(|()| UserId::generate(&SystemClock, &SystemEntropy));
        let encodings = [Encoding::Json, Encoding::Json, Encoding::Json, Encoding::Binary];
        let mut sockets: Vec<_> = encodings.into_iter().map(|encoding| socket(with_json, encoding)).collect();
        sockets.push(socket(without, Encoding::Binary));
        let registrations: Vec<_> = sockets.iter().map(|socket| hub.register(socket)).collect();
        for _ in 0..5 {
            hub.dispatch(event(with_json));
            hub.dispatch(event(without));
        }
        drop(registrations);
    });
    let page = handle.render();
    for line in [
        "gateway_live_json_encodings_total 5",
        "gateway_live_events_total{channel=\"user\"} 10",
        "gateway_live_deliveries_total{channel=\"user\"} 25",
        "gateway_sockets 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn frames_that_come_together_are_all_told_in_their_order() {
    let hub = hub();
    let user = UserId::generate(&SystemClock, &SystemEntropy);
    let socket = socket(user, Encoding::Binary);
    let _registration = hub.register(&socket);
    let frames: Vec<Bytes> =
        (0..3).map(|number: u32| ServerFrame { id: number.to_string(), frame: None }.encode_to_vec().into()).collect();
    let payload = LiveFrames { server_frames: frames.clone() }.encode_to_vec().into();
    hub.dispatch(Delivery::Message { channel: Channel::User(user), payload });
    let told: Vec<Bytes> = std::iter::from_fn(|| socket.outbox.try_next())
        .filter_map(|item| match item {
            Item::Live(Wire::Binary(frame)) => Some(frame),
            _ => None,
        })
        .collect();
    assert_eq!(told, frames);
}

#[test]
fn users_who_are_shown_their_chats_again_sync_one_after_the_other() {
    let hub = hub();
    let sockets: Vec<_> =
        (0..400).map(|_| socket(UserId::generate(&SystemClock, &SystemEntropy), Encoding::Json)).collect();
    let registrations: Vec<_> = sockets.iter().map(|socket| hub.register(socket)).collect();
    hub.changes_done(&ChannelChanges {
        added: Vec::new(),
        removed: Vec::new(),
        generation: 0,
        joined: Vec::new(),
        recovered: sockets.iter().map(|socket| socket.caller.user_id).collect(),
    });
    let mut pauses = HashSet::new();
    for socket in &sockets {
        let told = std::iter::from_fn(|| socket.outbox.try_next()).find_map(|item| match item {
            Item::Resync(after_ms) => Some(after_ms),
            _ => None,
        });
        let after_ms = told.unwrap();
        assert!(after_ms < spread_ms(400), "{after_ms}");
        pauses.insert(after_ms);
    }
    assert!(pauses.len() > 20, "they would all sync at once: {pauses:?}");
    drop(registrations);
}

#[test]
fn a_payload_that_cannot_be_read_hurts_nobody() {
    let hub = hub();
    let user = UserId::generate(&SystemClock, &SystemEntropy);
    let socket = socket(user, Encoding::Json);
    let _registration = hub.register(&socket);
    let broken = LivePayload { payload: Some(Payload::ServerFrame(Bytes::from_static(&[0xff]))) };
    for payload in [Bytes::from_static(&[0xff]), broken.encode_to_vec().into(), Bytes::new()] {
        hub.dispatch(Delivery::Message { channel: Channel::User(user), payload });
    }
    assert_eq!(socket.outbox.closed(), None);
}
