//! The W3C trace context in the headers of records.

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{Headers, Record};

/// A span has at most this many links: enough to find a record's trace, without a span larger than its work.
const LINKS_MAX: usize = 32;

struct Writer<'a>(&'a mut Headers);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.push((key.to_owned(), value));
    }
}

struct Reader<'a>(&'a Headers);

impl Extractor for Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Headers that carry the trace context of the current span; empty when it has none.
pub(crate) fn current() -> Headers {
    let context = Span::current().context();
    let mut headers = Headers::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Writer(&mut headers)));
    headers
}

fn of(headers: &Headers) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract_with_context(&Context::new(), &Reader(headers)))
}

/// Makes `span` the child of the trace of the batch's first record, and links it to the traces of the others.
pub(crate) fn follow(span: &Span, batch: &[Record]) {
    if span.is_disabled() {
        return;
    }
    let mut seen: Vec<SpanContext> = Vec::new();
    for record in batch {
        if seen.len() >= LINKS_MAX {
            break;
        }
        let context = of(&record.headers);
        let origin = context.span().span_context().clone();
        if !origin.is_valid() || seen.contains(&origin) {
            continue;
        }
        if seen.is_empty() {
            // Fails only where no OpenTelemetry layer is installed: then there is no trace to belong to.
            let _no_layer = span.set_parent(context);
        } else {
            span.add_link(origin.clone());
        }
        seen.push(origin);
    }
}
