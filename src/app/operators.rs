//! What operators see of an app: its status, its metrics and the ids of its requests, and who may read them.
//!
//! The app must ask for these pages. By default only requests from this machine may read them; the app can
//! decide otherwise. Invariant: a page that the app did not ask for does not exist, and a request is refused
//! unless it is known to be allowed.
mod status_page;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use http::{StatusCode, header};
use pixie_core::{IntoResponse, Json, Request, Response, Route};
use pixie_pool::Snapshot;
use pixie_server::{Counters, Protocol};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    table::{
        OwnPage, host,
        meters::{Meters, RouteCounts},
        pools::Pools,
        refusal::refuse_with,
        roles::Roles,
        settings::{AccessLog, LogFormat},
    },
};

/// Headers that show that a proxy passed the request on.
const OF_PROXIES: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Makes the text of the metrics page.
type MetricsPage = fn(&Pools, &Counters) -> Response;
type MayLook = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// The pages that an app shows, and who may read them.
#[derive(Default)]
pub(crate) struct Views {
    pub(crate) status: Option<OwnPage>,
    pub(crate) metrics: Option<(OwnPage, MetricsPage)>,
    /// Those of [`App::health`] and [`App::ready`].
    pub(crate) probes: [Option<OwnPage>; 2],
    operators: Option<MayLook>,
}

/// The content of the status page.
#[derive(Serialize)]
struct Status {
    /// The roles of this process, such as `all` or `web`.
    role: String,
    /// The name of the machine.
    host: String,
    /// The process id.
    process: u32,
    /// What the server of this process has counted.
    connections: Value,
    /// The requests of each route, with the feature `metrics`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteCounts>,
    /// Every pool that has been started.
    pools: Vec<Snapshot>,
}

impl Views {
    /// Returns the paths of the pages: health, ready, status, metrics.
    pub(crate) fn paths(&self) -> [Option<&'static str>; 4] {
        let [health, ready] = self.probes;
        let metrics = self.metrics.as_ref().map(|(page, _)| *page);
        [health, ready, self.status, metrics].map(|page| page.map(|page| page.path))
    }

    /// Returns the routes of the pages that the app asks for.
    pub(crate) fn routes(
        self,
        pools: &Pools,
        counters: &Counters,
        meters: &Meters,
        roles: &Roles,
    ) -> impl Iterator<Item = Route> + use<> {
        let may_look = self.operators.unwrap_or_else(|| Arc::new(is_from_here));
        let status = self.status.map(|page| {
            let (pools, counters, meters, role) = (pools.clone(), counters.clone(), meters.clone(), roles.to_string());
            guarded(page, may_look.clone(), move |request| {
                let status = || {
                    Json(Status {
                        role: role.clone(),
                        host: host_name(),
                        process: std::process::id(),
                        connections: counted(&counters),
                        routes: meters.counts(),
                        pools: pools.snapshots(),
                    })
                };
                let answer = status_page::answer(request).unwrap_or_else(|| status().into_response());
                answer.header(header::VARY, "accept")
            })
        });
        let metrics = self.metrics.map(|(page, text)| {
            let (pools, counters) = (pools.clone(), counters.clone());
            guarded(page, may_look, move |_| text(&pools, &counters))
        });
        status.into_iter().chain(metrics)
    }
}

/// Returns the name of the machine, or of the container.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn counted(counters: &Counters) -> Value {
    let speaking = Protocol::ALL.map(|protocol| (protocol.name(), counters.speaking(protocol)));
    json!({
        "open": counters.open(),
        "accepted": counters.accepted(),
        "refused": counters.refused(),
        "handshakes": counters.handshakes(),
        "handshakes_failed": counters.handshakes_failed(),
        "protocols": BTreeMap::from(speaking),
    })
}

/// Makes a sync route, so that the page works while every worker and every thread is busy.
fn guarded(page: OwnPage, may_look: MayLook, content: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Route {
    page.route().sync(move |request: &mut Request| -> Response {
        match may_look(request) {
            true => content(request).header(header::CACHE_CONTROL, "no-store"),
            false => {
                let detail = "only operators may read this page: see `App::operators`";
                refuse_with(StatusCode::FORBIDDEN, detail).into()
            }
        }
    })
}

/// Returns whether a request comes from this machine, without headers of a proxy, and under a host name that
/// another site cannot use for this machine (DNS rebinding).
fn is_from_here(request: &Request) -> bool {
    let is_local = request.peer().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let is_passed_on = OF_PROXIES.iter().any(|name| request.headers().contains_key(*name));
    is_local && !is_passed_on && request.host().is_some_and(is_own_name)
}

fn is_own_name(host: &str) -> bool {
    let name = host::name(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// # Seeing
impl App {
    /// Serves the state of the connections and the worker pools at this path, as JSON, and to browsers
    /// (`Accept: text/html`) as a page that shows the same live. See [`Snapshot`](crate::pool::Snapshot).
    /// Default: not served.
    ///
    /// Only operators may read it: see [`App::operators`]. The hooks of the app apply to these requests too.
    ///
    /// ```
    /// # use pixie_web::{App, Route};
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello")).status("/status").operators(|_| true);
    /// assert!(app.test()?.get("/status").send().assert_status(200).text().ends_with(r#","pools":[]}"#));
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("dashboard", "monitoring"))]
    #[track_caller]
    pub fn status(mut self, path: &'static str) -> App {
        self.views.status = Some(OwnPage::new(path, "pixie::status"));
        self
    }

    /// Decides who may read [`App::status`] and `App::metrics`. Other requests get 403.
    ///
    /// By default a request may read them if it comes from this machine, is for `localhost` or a loopback
    /// address, and has no headers of a proxy. A proxy on this machine that adds no such headers is treated
    /// as this machine: block the paths in the proxy, or check a password here.
    ///
    /// ```
    /// # use pixie_web::{App, Route};
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello")).status("/status");
    /// let client = app.operators(|request| request.header("authorization") == Some("Bearer 7b1f")).test()?;
    /// client.get("/status").send().assert_status(403);
    /// client.get("/status").header("authorization", "Bearer 7b1f").send().assert_status(200);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn operators(mut self, may_look: impl Fn(&Request) -> bool + Send + Sync + 'static) -> App {
        self.views.operators = Some(Arc::new(may_look));
        self
    }

    /// Serves the metrics of routes and pools at this path, as text for Prometheus. Default: not served.
    ///
    /// Only operators may read it: see [`App::operators`]. This installs the recorder of the crate `metrics`
    /// for the whole process, so the page also shows metrics that your code records in the main process.
    /// Metrics that handlers record in workers are not shown.
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
    #[doc(alias("prometheus", "monitoring"))]
    #[cfg(feature = "metrics")]
    #[track_caller]
    pub fn metrics(mut self, path: &'static str) -> App {
        self.views.metrics = Some((OwnPage::new(path, "pixie::metrics"), crate::table::meter::page));
        self.settings.install_metrics = Some(crate::table::meter::install);
        self
    }

    /// Sets whether every request has a [`TraceContext`](crate::TraceContext), and whether each line that its
    /// handler writes to the log shows the trace id, in every kind of route. Default: no.
    ///
    /// The context is what the client or proxy sends as `traceparent` if that is valid, otherwise a new one.
    /// Without this setting, a request has only the context that was sent, and only the lines about failed
    /// requests and workers show it. Programs with a log of their own read the context in a layer: see the
    /// guide's page [`seeing`](crate::guide::seeing#traces).
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, TraceContext, get};
    ///
    /// #[get("/", pool)]
    /// fn index(trace: TraceContext) -> String {
    ///     // `trace.child()` is the `traceparent` of a request to another service.
    ///     trace.trace_id().to_owned()
    /// }
    ///
    /// let client = App::collect().trace_contexts(true).test()?;
    /// let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// client.get("/").header("traceparent", sent).send().assert_text("4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert_eq!(client.get("/").send().text().len(), 32);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("opentelemetry", "tracing"))]
    pub fn trace_contexts(mut self, all: bool) -> App {
        self.settings.trace_contexts = all;
        self
    }

    /// Sets whether responses in development have the header `Server-Timing`, which the developer tools of
    /// browsers show: the time in the queue for a thread or a worker, in the handler, and from the head of
    /// the request to that of the response. Default: no. Without [`App::development`] the header is not sent,
    /// because it tells strangers how long secret work takes.
    ///
    /// ```
    /// # use pixie_web::{App, Route};
    /// let app = App::new().route(Route::get("/").thread(|_| "Hello")).development(true).server_timing(true);
    /// let response = app.test()?.get("/").send();
    /// assert!(response.header("server-timing").is_some_and(|timing| timing.starts_with("queue;dur=")));
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn server_timing(mut self, sent: bool) -> App {
        self.settings.server_timing = sent;
        self
    }

    /// Sets what the log has of each request. Default: one event for each.
    ///
    /// The event has the level info and the target `pixie_web::access`. The guide's page
    /// [`logging`](crate::guide::logging#requests) lists its fields and what it costs. Requests of
    /// [`App::health`] and [`App::ready`] are not logged. `pixie dev` shows lines of its own, and
    /// [`App::test`] and [`App::into_service`] log no requests.
    ///
    /// ```
    /// use pixie_web::{AccessLog, App};
    /// let app = App::new().access_log(AccessLog::Off);
    /// ```
    #[doc(alias("logging", "log"))]
    pub fn access_log(mut self, access_log: AccessLog) -> App {
        self.settings.access_log = access_log;
        self
    }

    /// Sets how the built-in log writes an event. Default: as a line to read. A program with its own
    /// subscriber of the crate `tracing` decides that itself.
    #[doc(alias("logging", "log"))]
    pub fn log_format(mut self, format: LogFormat) -> App {
        self.settings.log_format = format;
        self
    }

    /// Sets whether every request has an id. By default, requests of pool and stream routes and of handlers
    /// that take a [`RequestId`](crate::RequestId) have one.
    ///
    /// The id is the `X-Request-Id` from the client or proxy if that is valid, otherwise a new one. The
    /// response has it in the same header. So do the log lines about the request, and about a worker that
    /// crashed while it ran the request.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, RequestId, get};
    ///
    /// #[get("/", pool)]
    /// fn index(id: RequestId) -> String {
    ///     format!("this is {id}")
    /// }
    ///
    /// let client = App::collect().request_ids(true).test()?;
    /// client.get("/").header("x-request-id", "7b1f-2").send().assert_text("this is 7b1f-2");
    /// client.get("/missing").header("x-request-id", "7b1f-3").send().assert_header("x-request-id", "7b1f-3");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("correlation id", "logging"))]
    pub fn request_ids(mut self, all: bool) -> App {
        self.settings.request_ids = all;
        self
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};

    use super::*;

    fn is_shown(peer: Option<&str>, host: &str, header: Option<&'static str>) -> bool {
        let mut request = Request::new(Method::GET, "/status".parse().expect("a path"));
        request.plumbing_mut().peer = peer.map(|peer| peer.parse().expect("an address"));
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
        if let Some(name) = header {
            request.headers_mut().insert(name, HeaderValue::from_static("192.0.2.1"));
        }
        is_from_here(&request)
    }

    #[test]
    fn only_this_machine_looks_by_default() {
        let here = Some("127.0.0.1:5000");
        for (peer, host, header, is_meant) in [
            (here, "localhost:8000", None, true),
            (here, "LOCALHOST", None, true),
            (here, "127.0.0.1:8000", None, true),
            (Some("[::1]:5000"), "[::1]:8000", None, true),
            (Some("[::ffff:127.0.0.1]:5000"), "localhost", None, true),
            (Some("192.0.2.1:5000"), "localhost:8000", None, false),
            (Some("[::ffff:192.0.2.1]:5000"), "localhost", None, false),
            (None, "localhost:8000", None, false),
            (here, "evil.example:8000", None, false),
            (here, "localhost.evil.example", None, false),
            (here, "", None, false),
            (here, "localhost:8000", Some("x-forwarded-for"), false),
            (here, "localhost:8000", Some("forwarded"), false),
            (here, "localhost:8000", Some("via"), false),
        ] {
            assert_eq!(is_shown(peer, host, header), is_meant, "{peer:?} {host} {header:?}");
        }
    }
}
