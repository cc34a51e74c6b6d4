//! The outcome of a request: failures get their page and their line in the log, and every response its safe headers.
use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use pixie_core::{Error, ErrorView, Excerpt, Media, Request, Response, abort};

use crate::{compose::Composed, excerpt};

/// Browsers must not guess another type than the one that was declared. The Fetch standard knows no other value, so nothing
/// of the handler's is lost.
const NOSNIFF: (HeaderName, HeaderValue) = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// What an error page needs to know of a request that has gone to its handler.
pub(crate) struct Asker {
    method: Method,
    uri: Uri,
    accept: Vec<HeaderValue>,
    /// Kept in development only, where the page shows them.
    headers: Option<HeaderMap>,
}

impl Asker {
    /// Notes it; without an `Accept` header and outside development this allocates nothing.
    pub(crate) fn of(app: &Composed, request: &Request) -> Asker {
        Asker {
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: request.headers().get_all(header::ACCEPT).iter().cloned().collect(),
            headers: app.settings.development.then(|| request.headers().clone()),
        }
    }
}

/// Finishes the response of a request that is still here.
pub(crate) fn finish(app: &Arc<Composed>, request: &Request, mut response: Response) -> Response {
    if let Some(error) = response.take_error() {
        let view = ErrorView {
            media: Media::preferred(request.headers().get_all(header::ACCEPT)),
            method: request.method(),
            path: request.path(),
            headers: Some(request.headers()),
            development: app.settings.development,
            excerpt: excerpt(app, &error),
        };
        response = page(app, &error, &view);
    }
    guard(response)
}

/// Finishes the response of a request that its handler has consumed.
pub(crate) fn finish_for(app: &Composed, asker: &Asker, mut response: Response) -> Response {
    if let Some(error) = response.take_error() {
        let view = ErrorView {
            media: Media::preferred(&asker.accept),
            method: &asker.method,
            path: asker.uri.path(),
            headers: asker.headers.as_ref(),
            development: app.settings.development,
            excerpt: excerpt(app, &error),
        };
        response = page(app, &error, &view);
    }
    guard(response)
}

/// The error of an answer that did not come in time.
pub(crate) fn too_slow(deadline: Duration) -> Error {
    abort(504).with_place(None).with_chain(vec![format!("no answer within the deadline of {deadline:?}")])
}

/// The error of a request that came while the app stops.
pub(crate) fn stopping() -> Error {
    let close = HeaderValue::from_static("close");
    abort(503).with_place(None).with_detail("the server is shutting down").with_header(header::CONNECTION, close)
}

/// The error of a request that was refused because too many wait; `seconds` is when to come again.
pub(crate) fn overloaded(detail: &'static str, retry_after: Duration) -> Error {
    let seconds = retry_after.as_secs().max(1);
    abort(503).with_place(None).with_detail(detail).with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// Reads the code around the place of a failure, in development.
fn excerpt(app: &Composed, error: &Error) -> Option<Excerpt> {
    app.settings.development.then(|| excerpt::around(error.place())).flatten()
}

fn page(app: &Composed, error: &Error, view: &ErrorView<'_>) -> Response {
    log(error, view);
    let own = app.error_pages.iter().find(|(status, _)| *status == error.status());
    let Some((_, page)) = own else { return error.render(view) };
    let mut response = page(error, view).with_status(error.status());
    // A page that fails itself is not asked again.
    if let Some(failed) = response.take_error() {
        log(&failed, view);
        return error.render(view);
    }
    for (name, value) in error.headers() {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

fn log(error: &Error, view: &ErrorView<'_>) {
    let (status, method, path) = (error.status().as_u16(), view.method, view.path);
    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => tracing::warn!(status, %method, path, "{error}"),
        refused if refused.is_client_error() => tracing::debug!(status, %method, path, "{error}"),
        _ => tracing::error!(status, %method, path, place = error.place(), "{error}"),
    }
}

fn guard(mut response: Response) -> Response {
    let (name, value) = NOSNIFF;
    response.headers_mut().insert(name, value);
    response
}
