//! What an operator is told of calls.

use std::time::Duration;

use godwit_call_signaling::app::SignalToRelay;
use godwit_call_signaling::domain::Event;
use godwit_contract::v1::{CallSignal, call_signal::Content};
use godwit_testkit::eventually;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::replica::{Replica, SOON, World};

fn shows(metrics: &PrometheusHandle, line: &str) -> Result<(), String> {
    let page = metrics.render();
    if page.lines().any(|shown| shown == line) { Ok(()) } else { Err(format!("no {line} in\n{page}")) }
}

// On one thread, workers too, whose metrics are then those of this test alone.
#[tokio::test]
async fn a_call_is_measured_from_its_first_ring_to_its_end() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    let replica = Replica::start(&world).await;

    let asked = world.call_to_bob();
    let call = replica.app.create_call(asked).await.unwrap();
    eventually(SOON, async || shows(&metrics, "call_running_count 1")).await;
    world.clock.advance(Duration::from_secs(7));
    let signal = CallSignal { content: Some(Content::Offer("o".to_owned())) };
    let signal = SignalToRelay { call_id: call.id, from: world.ada, to_device: None, signal };
    replica.app.relay_signal(signal).await.unwrap();
    // What is asked again is measured once.
    for _ in 0..2 {
        replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    }
    for _ in 0..2 {
        replica.app.act_on_call(call.id, world.ada, Event::End).await.unwrap();
    }
    replica.app.create_call(asked).await.unwrap();

    let declined = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(declined.id, world.bob, Event::Decline).await.unwrap();
    replica.app.create_call(world.call_to_bob()).await.unwrap();
    world.clock.advance(Duration::from_secs(45));
    for line in [
        "call_created_total 3",
        "call_setup_seconds_count 3",
        "call_ring_to_answer_seconds_count 1",
        "call_ring_to_answer_seconds_sum 7",
        "call_transitions_total{to=\"accepted\",cause=\"none\"} 1",
        "call_transitions_total{to=\"ended\",cause=\"hung_up\"} 1",
        "call_transitions_total{to=\"declined\",cause=\"none\"} 1",
        "call_transitions_total{to=\"missed\",cause=\"timed_out\"} 1",
        "call_signals_relayed_total 1",
        "call_running_count 0",
        "call_raft_is_leader 1",
    ] {
        eventually(SOON, async || shows(&metrics, line)).await;
    }
    drop(guard);
}
