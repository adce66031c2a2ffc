use std::time::Duration;

use godwit_testkit::eventually;
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::harness::{WAYS, asked, patient, stage};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_trace_goes_on_at_the_server() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // Global: with one scoped subscriber alone, a callsite that another test's thread meets first stays off for all.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    for way in WAYS {
        let mut stage = stage(way, patient()).await;
        let outer = tracing::info_span!("outer");
        let trace_id = outer.context().span().span_context().trace_id();
        stage.client.report_node(asked("lease")).instrument(outer).await.unwrap();

        // Over TCP the server lets go of its span a moment after the client has the answer.
        eventually(SOON, async || {
            let spans = exporter.get_finished_spans().unwrap();
            spans
                .into_iter()
                .find(|span| span.name == "presence.report_node" && span.span_context.trace_id() == trace_id)
        })
        .await;
    }
}

#[tokio::test]
async fn both_sides_count_calls_by_their_code() {
    for way in WAYS {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let guard = metrics::set_default_local_recorder(&recorder);
        let mut stage = stage(way, patient()).await;
        stage.client.report_node(asked("lease")).await.unwrap();
        stage.client.report_node(asked("refuse")).await.unwrap_err();
        drop(guard);
        let page = handle.render();
        for (side, code) in [("server", "OK"), ("server", "INVALID_ARGUMENT"), ("client", "OK")] {
            let line = format!(
                "grpc_{side}_handled_total{{service=\"godwit.presence.v1.PresenceInternalService\",\
                 method=\"ReportNode\",code=\"{code}\"}} 1"
            );
            assert!(page.contains(&line), "{way:?} {line}\n{page}");
        }
        assert!(page.contains("grpc_server_handling_seconds_count"), "{page}");
    }
}
