//! Spans for OpenTelemetry: one for each request in the main process, and one for what its worker does. Both
//! belong to the trace of the client.
//!
//! `cargo run --manifest-path examples/opentelemetry/Cargo.toml`, then
//! `curl -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' localhost:8000`. Look at
//! the spans that are printed; put the exporter of `opentelemetry-otlp` in place of `opentelemetry_stdout` to
//! send them to a collector.
use std::{collections::HashMap, convert::Infallible};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use pixie_web::{
    App, HeaderValue, TraceContext, get,
    service::{HttpRequest, Layered},
};
use tower::{Service, layer::layer_fn, service_fn};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

/// Runs in a worker. `trace` names the span that the main process has made.
#[get("/", pool)]
fn index(trace: TraceContext) -> String {
    let span = info_span!("work", otel.kind = "internal");
    // Fails only if the span is disabled.
    let _ = span.set_parent(remote(&trace));
    let _entered = span.entered();
    format!("this is trace {}", trace.trace_id())
}

/// Returns the context of a span in another process.
fn remote(trace: &TraceContext) -> Context {
    let headers = HashMap::from([("traceparent".to_owned(), trace.to_string())]);
    TraceContextPropagator::new().extract(&headers)
}

/// Makes the span of a request, and names it as the parent of what handlers and workers do.
fn spanned(request: &mut HttpRequest) -> Span {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let span = info_span!("request", otel.kind = "server", http.request.method = method, url.path = path);
    if let Some(trace) = TraceContext::from_headers(request.headers()) {
        let _ = span.set_parent(remote(&trace));
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    let parent = format!("00-{}-{}-{:02x}", own.trace_id(), own.span_id(), own.trace_flags().to_u8());
    if let Ok(value) = HeaderValue::from_str(&parent) {
        request.headers_mut().insert(TraceContext::HEADER, value);
    }
    span
}

fn main() -> pixie_web::Result<()> {
    // In the workers too, because they run the same `main`.
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    // The pool turns what workers print into events, so their spans show up in this log.
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("pixie"));
    tracing_subscriber::registry().with(log).with(spans).init();
    let traced = layer_fn(|inner: Layered| {
        service_fn(move |mut request: HttpRequest| {
            let (mut inner, span) = (inner.clone(), spanned(&mut request));
            async move {
                Ok::<_, Infallible>(inner.call(request).instrument(span).await.unwrap_or_else(|never| match never {}))
            }
        })
    });
    App::collect().layer(traced).run()
}
