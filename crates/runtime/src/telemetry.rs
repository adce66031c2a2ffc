use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::options::{LogFormat, TelemetryOptions};

const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Logs and traces; [`Telemetry::flush`] sends what is still held back.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Installs the process's logs and traces. Must be called inside the Tokio runtime, once.
    pub fn install(options: &TelemetryOptions, process: &str, instance: &str) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&options.log)
            .with_context(|| format!("GODWIT_LOG: {:?} is not a log filter", options.log))?;
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let traces = match &options.otlp_endpoint {
            Some(endpoint) => Some(tracer_provider(endpoint, process, instance)?),
            None => None,
        };
        let traced = traces
            .as_ref()
            .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("godwit")).with_threads(false));
        // Logs go to stderr: stdout belongs to the answers of the tools.
        let (json, pretty) = match options.log_format {
            LogFormat::Json => {
                let layer = tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_writer(std::io::stderr);
                (Some(layer), None)
            }
            LogFormat::Pretty => {
                let colours = std::io::stderr().is_terminal();
                (None, Some(tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr)))
            }
        };
        tracing_subscriber::registry()
            .with(filter)
            .with(traced)
            .with(json)
            .with(pretty)
            .try_init()
            .context("the process's logs are already set up")?;
        log_panics();
        Ok(Self { traces })
    }

    /// Sends the spans that are still held back, for at most three seconds.
    pub async fn flush(self) {
        let Some(traces) = self.traces else { return };
        let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

fn tracer_provider(endpoint: &str, process: &str, instance: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {endpoint:?} cannot be used"))?;
    let resource = Resource::builder()
        .with_service_name(process.to_owned())
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(opentelemetry::KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// A panic is a log line like any other, with its place; who catches it says what becomes of the process.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("without a message");
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, message, %backtrace, "a thread panicked");
    }));
}
