//! Metrics of requests, and the text for Prometheus (feature `metrics`). `pixie-pool` measures the pools.
//!
//! They are recorded through the crate `metrics`. A program that sends its metrics elsewhere installs its own
//! recorder and does not call [`App::metrics`]. Invariant: labels are routes and status classes, never data
//! from a client.
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use http::StatusCode;
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pixie_core::Response;
use pixie_server::{Counters, Protocol};

use crate::{
    error::StartError,
    table::{meters::RouteCounts, pools::Pools},
};

/// Upper limits of the histogram buckets, in seconds: from an empty job to the longest time that a proxy
/// waits.
const BUCKETS: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Interval at which recorded values are collected, so that they do not accumulate if they are not requested.
const UPKEEP: Duration = Duration::from_secs(5);
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The recorder of this process. A process can have only one.
static RECORDER: OnceLock<std::result::Result<PrometheusHandle, String>> = OnceLock::new();

/// The metrics of one route.
pub(crate) struct RouteMeter {
    route: Arc<str>,
    // Set by the first request, because the recorder is installed after the routes are made.
    seconds: OnceLock<Histogram>,
    answers: [OnceLock<Counter>; CLASSES.len()],
    // For the status page, which does not need a recorder.
    requests: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
}

impl RouteMeter {
    pub(crate) fn new(route: Arc<str>) -> Arc<RouteMeter> {
        Arc::new(RouteMeter {
            route,
            seconds: OnceLock::new(),
            answers: Default::default(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
        })
    }

    /// Returns what the route has answered, or `None` if it has not answered yet.
    pub(crate) fn counts(&self) -> Option<RouteCounts> {
        let requests = self.requests.load(Relaxed);
        let seconds = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        let errors = self.errors.load(Relaxed);
        (requests > 0).then(|| RouteCounts { name: self.route.clone(), requests, errors, seconds })
    }

    fn record(&self, took: Duration, status: StatusCode) {
        let route = || metrics::SharedString::from(self.route.clone());
        self.seconds.get_or_init(|| histogram!("pixie_http_request_seconds", "route" => route())).record(took);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let answers = || counter!("pixie_http_requests_total", "route" => route(), "status" => CLASSES[class]);
        self.answers[class].get_or_init(answers).increment(1);
        self.requests.fetch_add(1, Relaxed);
        self.errors.fetch_add(status.is_server_error().into(), Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// A request that is being measured.
pub(crate) struct Measured {
    since: Instant,
    /// `None` until the route is found. It stays `None` for a request to a layer, because the inner
    /// request is measured.
    meter: Option<Arc<RouteMeter>>,
}

impl Measured {
    /// Starts to measure a request.
    pub(crate) fn begin() -> Measured {
        Measured { since: Instant::now(), meter: None }
    }

    /// Sets the route of the request.
    pub(crate) fn by(&mut self, meter: &Arc<RouteMeter>) {
        self.meter = Some(meter.clone());
    }

    /// Records the head of the response.
    pub(crate) fn end(&mut self, status: StatusCode) {
        if let Some(meter) = self.meter.take() {
            meter.record(self.since.elapsed(), status);
        }
    }
}

/// Installs the recorder, in the main process: workers show no metrics.
pub(crate) fn install() -> Result<(), StartError> {
    match RECORDER.get_or_init(installed) {
        Ok(_) => Ok(()),
        Err(why) => Err(StartError::new(format!(
            "`App::metrics`: {why}: this program has installed a recorder of its own, so show the metrics with that one"
        ))),
    }
}

fn installed() -> std::result::Result<PrometheusHandle, String> {
    let ours = Matcher::Prefix("pixie_".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(ours, &BUCKETS).map_err(|error| error.to_string())?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    describe_counter!("pixie_http_requests_total", Unit::Count, "Responses, by route and class of status.");
    describe_gauge!("pixie_connections_open", Unit::Count, "Open connections.");
    describe_counter!("pixie_connections_total", Unit::Count, "Connections that were served or refused.");
    describe_counter!("pixie_tls_handshakes_total", Unit::Count, "TLS handshakes.");
    describe_counter!("pixie_protocols_total", Unit::Count, "Connections, by what their clients speak.");
    describe_histogram!(
        "pixie_http_request_seconds",
        Unit::Seconds,
        "Time from the head of the request to the head of the response."
    );
    let upkeep = handle.clone();
    let keep = move || {
        loop {
            thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    };
    thread::Builder::new().name("metrics".into()).spawn(keep).map_err(|error| error.to_string())?;
    Ok(handle)
}

/// Returns all metrics as text for Prometheus.
pub(crate) fn page(pools: &Pools, counters: &Counters) -> Response {
    // Taking snapshots updates the gauges.
    pools.snapshots();
    gauge!("pixie_connections_open").set(counters.open() as f64);
    counter!("pixie_connections_total", "outcome" => "accepted").absolute(counters.accepted());
    counter!("pixie_connections_total", "outcome" => "refused").absolute(counters.refused());
    counter!("pixie_tls_handshakes_total", "outcome" => "succeeded").absolute(counters.handshakes());
    counter!("pixie_tls_handshakes_total", "outcome" => "failed").absolute(counters.handshakes_failed());
    for protocol in Protocol::ALL {
        counter!("pixie_protocols_total", "protocol" => protocol.name()).absolute(counters.speaking(protocol));
    }
    let text = RECORDER.get().and_then(|recorder| recorder.as_ref().ok()).map(PrometheusHandle::render);
    Response::new(text.unwrap_or_default()).content_type("text/plain; version=0.0.4; charset=utf-8")
}
