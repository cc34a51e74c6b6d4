//! Metrics: of requests here, of pools in `pixie-pool`, and their text for Prometheus. Feature `metrics`.
//!
//! Recorded by the facade of the crate `metrics`, so a program that sends them elsewhere installs its own recorder and does not
//! call [`App::metrics`]. Must stay true: labels are routes and classes of status, never what a client sent.
use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use http::StatusCode;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pixie_core::{Error, Response, Result};

use crate::{
    app::{App, compose::Composed},
    table::pools::Pools,
};

/// What every time is sorted into, in seconds: from a job that does nothing to the longest that a proxy waits.
const BUCKETS: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// How often what was recorded is gathered, so that it does not pile up where nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The recorder of this process, once an app has installed it: there can be one only.
static RECORDER: OnceLock<std::result::Result<PrometheusHandle, String>> = OnceLock::new();

/// The metrics of one route.
pub(crate) struct RouteMeter {
    route: Arc<str>,
    // Looked up with the first request: the recorder is installed after the routes are made.
    seconds: OnceLock<Histogram>,
    answers: [OnceLock<Counter>; CLASSES.len()],
}

impl RouteMeter {
    pub(crate) fn new(route: Arc<str>) -> Arc<RouteMeter> {
        Arc::new(RouteMeter { route, seconds: OnceLock::new(), answers: Default::default() })
    }

    fn record(&self, took: Duration, status: StatusCode) {
        let route = || metrics::SharedString::from(self.route.clone());
        self.seconds.get_or_init(|| histogram!("pixie_http_request_seconds", "route" => route())).record(took);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let answers = || counter!("pixie_http_requests_total", "route" => route(), "status" => CLASSES[class]);
        self.answers[class].get_or_init(answers).increment(1);
    }
}

/// A request that is being measured.
pub(crate) struct Measured {
    since: Instant,
    /// Not there until the request's route is found, and in requests to layers, inside of which it is measured.
    meter: Option<Arc<RouteMeter>>,
}

impl Measured {
    /// Starts to measure a request.
    pub(crate) fn begin() -> Measured {
        Measured { since: Instant::now(), meter: None }
    }

    /// Says what the request counts for.
    pub(crate) fn by(&mut self, meter: &Arc<RouteMeter>) {
        self.meter = Some(meter.clone());
    }

    /// Notes the head of the answer.
    pub(crate) fn end(&mut self, status: StatusCode) {
        if let Some(meter) = self.meter.take() {
            meter.record(self.since.elapsed(), status);
        }
    }
}

/// Installs the recorder if the app shows metrics. In the main process only: workers have nothing to show.
pub(crate) fn install(app: &Composed) -> Result<()> {
    if !app.settings.shows_metrics {
        return Ok(());
    }
    match RECORDER.get_or_init(installed) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::internal(format!(
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
    describe_counter!("pixie_http_requests_total", Unit::Count, "Answers, by route and class of status.");
    describe_histogram!(
        "pixie_http_request_seconds",
        Unit::Seconds,
        "From a request's head to the head of its answer."
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

/// Writes everything that was recorded, as Prometheus reads it.
pub(crate) fn page(pools: &Pools) -> Response {
    // Looking sets the gauges.
    pools.snapshots();
    let text = RECORDER.get().and_then(|recorder| recorder.as_ref().ok()).map(PrometheusHandle::render);
    Response::new(text.unwrap_or_default()).content_type("text/plain; version=0.0.4; charset=utf-8")
}

impl App {
    /// Shows at this path the metrics of routes and pools as text, in the format that Prometheus reads. Default: nowhere.
    ///
    /// Only operators may look: see [`App::operators`]. It installs the recorder of the crate `metrics` for the whole process,
    /// so what the main process records of its own is shown, too; what handlers record in workers is not.
    ///
    /// ```
    /// # use pixie_web::{App, Route};
    /// let app = App::new().route(Route::get("/").name("index").sync(|_| "Hello")).metrics("/metrics").operators(|_| true);
    /// let client = app.test()?;
    /// client.get("/").send();
    /// let text = client.get("/metrics").send().text();
    /// assert!(text.contains(r#"pixie_http_requests_total{route="index",status="2xx"} 1"#));
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn metrics(mut self, path: &'static str) -> App {
        self.views.metrics = Some(path);
        self.settings.shows_metrics = true;
        self
    }
}
