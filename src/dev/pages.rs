//! `/__pixie/`: what pages request under `pixie dev`. This is the outermost layer. It also logs requests.
//!
//! `dev.js` is the script and `events` is the event stream. Both need the token that only pages of this app
//! have, and a host that another site cannot use as a name for this machine (DNS rebinding).
use std::{
    collections::HashMap,
    env,
    future::{poll_fn, ready},
    io::{IsTerminal, Write, stdout},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use pixie_core::{Body, HttpRequest, HttpResponse, Layered};

use crate::{
    dev::Dev,
    request::service::LayerFn,
    table::{Composed, access::Place, host},
};

const SCRIPT: &str = include_str!("dev.js");

pub(super) fn outermost(dev: Arc<Dev>, app: Arc<Composed>) -> LayerFn {
    Box::new(move |inner| {
        Layered::new(move |request| {
            let page = match request.uri().path() {
                "/__pixie/dev.js" => script,
                "/__pixie/events" => events,
                _ if app.shutdown.is_triggered() && loads_page(&request) => {
                    return Box::pin(ready(to_next_program(request.uri())));
                }
                _ => return Box::pin(logged(inner.clone(), request)),
            };
            Box::pin(ready(match guarded(&dev, &request) {
                Ok(()) => page(&dev),
                Err(refusal) => answer(StatusCode::FORBIDDEN, "text/plain", refusal),
            }))
        })
    })
}

fn loads_page(request: &HttpRequest) -> bool {
    let is_page = request.headers().get("sec-fetch-dest").is_some_and(|what| what == "document");
    is_page && request.method() == Method::GET
}

/// Redirects a page that reloads over a connection to a stopping program. This response closes the
/// connection, so the browser opens a new one, to the next program.
fn to_next_program(address: &Uri) -> HttpResponse {
    let mut response = answer(StatusCode::TEMPORARY_REDIRECT, "text/plain", Body::empty());
    let target = address.path_and_query().and_then(|target| HeaderValue::from_str(target.as_str()).ok());
    response.headers_mut().insert(header::LOCATION, target.unwrap_or(HeaderValue::from_static("/")));
    response
}

/// Runs the app, prints the line of the request, and lets the script run under the page's policy.
async fn logged(inner: Layered, request: HttpRequest) -> HttpResponse {
    let (start, method, path) = (Instant::now(), request.method().clone(), request.uri().path().to_owned());
    let mut place = Place::default();
    let mut answer = inner.answer(request);
    let mut response = poll_fn(|cx| place.during(|| answer.as_mut().poll(cx))).await;
    log(place, &method, &path, response.status(), start.elapsed());
    only_report(response.headers_mut());
    response
}

/// Prints status, request, time to the head, kind and worker.
fn log(place: Place, method: &Method, path: &str, status: StatusCode, time: Duration) {
    let place = match place {
        Place { kind: Some(kind), pool: Some(pool), worker: Some(worker) } => format!("{kind} {pool}#{worker}"),
        Place { kind, .. } => kind.map_or_else(|| "-".to_owned(), |kind| kind.to_string()),
    };
    let mut out = stdout();
    let color = match status.as_u16() {
        _ if !out.is_terminal() || env::var_os("NO_COLOR").is_some() => "",
        500.. => "\x1b[31m",
        400.. => "\x1b[33m",
        _ => "\x1b[32m",
    };
    let reset = if color.is_empty() { "" } else { "\x1b[0m" };
    let (code, request, ms) = (status.as_u16(), format!("{method} {}", printable(path)), time.as_secs_f64() * 1e3);
    let request = fitted(&request, request_columns(columns()));
    // Continues if standard output is closed.
    let _ = writeln!(out, "  {color}{code}{reset}  {request} {ms:>8.1} ms  {place}");
}

/// Returns the width of the terminal in columns, 80 if it is not known.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(stdout()).map_or(80, |size| usize::from(size.ws_col)).max(1)
}

/// Returns the columns for a request's method and path: what the other columns leave, at most 32.
fn request_columns(columns: usize) -> usize {
    // Status, time, kind and worker, with the space between them.
    columns.saturating_sub(36).clamp(10, 32)
}

/// Fills or cuts a text to a width. A request that is cut keeps its beginning.
fn fitted(text: &str, width: usize) -> String {
    match text.chars().count() > width && width < 32 {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => format!("{text:<width$}"),
    }
}

/// Text from a client must not control the terminal.
fn printable(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Lets browsers only report what the page's Content-Security-Policy forbids. It may forbid the script.
fn only_report(headers: &mut HeaderMap) {
    let policies: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().cloned().collect();
    headers.remove(header::CONTENT_SECURITY_POLICY);
    for policy in policies {
        headers.append(header::CONTENT_SECURITY_POLICY_REPORT_ONLY, policy);
    }
}

/// Returns why a request is refused, if it is.
fn guarded(dev: &Dev, request: &HttpRequest) -> Result<(), &'static str> {
    if !host::asked(request.uri(), request.headers()).is_some_and(|host| is_ours(host, &dev.hosts)) {
        return Err("this host name is not known here: start `pixie dev` with --allowed-host NAME\n");
    }
    let query: HashMap<String, String> =
        serde_urlencoded::from_str(request.uri().query().unwrap_or("")).unwrap_or_default();
    match query.get("token") {
        Some(token) if !token.is_empty() && *token == dev.token => Ok(()),
        _ => Err("the token is missing or of an earlier `pixie dev`\n"),
    }
}

/// Returns whether a host is safe. Addresses and `localhost` cannot be rebound. Other names must be known.
fn is_ours(host: &str, known: &[String]) -> bool {
    let name = host::name(host).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
    is_local || known.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
}

fn script(_: &Dev) -> HttpResponse {
    answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT)
}

fn events(dev: &Dev) -> HttpResponse {
    answer(StatusCode::OK, "text/event-stream", Body::new(dev.events.join(&dev.build)))
}

fn answer(status: StatusCode, media: &'static str, body: impl Into<Body>) -> HttpResponse {
    let mut response = HttpResponse::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Other sites must not load the script.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests;
