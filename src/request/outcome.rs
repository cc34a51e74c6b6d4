//! Finishes responses: an error gets its page and its line in the log, and every response gets its security
//! headers and a correct length.
use std::net::SocketAddr;

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{self, GetAll},
};
use http_body::Body as _;
use pixie_core::{
    Body, Error, ErrorView, Excerpt, Media, Request, RequestId, RequestView, Response, Scheme, TraceContext, Validators,
};
use pixie_server::Protocol;

use crate::{
    files::coding,
    request::{excerpt, nearby::nearby, reported::Reported, until_stop::end_events},
    table::{
        Composed,
        hooks::{Answered, Chain},
        panics,
        refusal::refuse,
        sessions::{Kept, OpenSession},
    },
};

// Some security headers are left out on purpose. `Cross-Origin-Opener-Policy` breaks sign-in and payment
// windows. Only the author of the pages can write a `Content-Security-Policy`. Browsers ignore
// `X-XSS-Protection`. `Strict-Transport-Security` does not include subdomains, because other servers may have
// them.

/// Browsers must not guess another type than the declared one. The Fetch standard has no other value, so this
/// may replace a value of the handler.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Other sites must not show a page in a frame, where they could misuse clicks.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("SAMEORIGIN");
/// Other sites get the host from which a visitor comes, but not the page.
const ORIGIN_ONLY: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");

/// Headers that describe the body, which an error page replaces.
const OF_THE_BODY: [HeaderName; 8] = [
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// What is known of the request of a response.
pub(crate) enum Asked<'r> {
    /// The request has not been given to a handler.
    Here(&'r Request),
    /// The request has been given to its handler.
    Gone(&'r Asker),
}

/// What is stored of a request before it is given to its handler.
pub(crate) struct Asker {
    method: Method,
    uri: Uri,
    accept: Vec<HeaderValue>,
    /// Stored if after hooks, the error page in development, or the response need them.
    headers: Option<HeaderMap>,
    extensions: Extensions,
    peer: Option<SocketAddr>,
    scheme: Scheme,
    id: Option<RequestId>,
    /// The header `traceparent`.
    trace: Option<HeaderValue>,
    session: Option<OpenSession>,
}

impl Asker {
    /// Stores what the response needs. Allocates only for an `Accept` header, conditions, after hooks and in
    /// development.
    pub(crate) fn of(app: &Composed, chain: &Chain, request: &Request) -> Asker {
        let is_seen = chain.has_after();
        let settings = &app.settings;
        let is_read = is_seen || settings.development || settings.compress.is_some();
        let is_read = is_read || Validators::matter_to(request.headers());
        Asker {
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: request.headers().get_all(header::ACCEPT).iter().cloned().collect(),
            headers: is_read.then(|| request.headers().clone()),
            extensions: if is_seen { request.extensions().clone() } else { Extensions::new() },
            peer: request.peer(),
            scheme: request.scheme(),
            id: request.id().cloned(),
            trace: request.headers().get(TraceContext::HEADER).cloned(),
            session: OpenSession::of(request),
        }
    }

    pub(crate) fn session(&self) -> Option<&OpenSession> {
        self.session.as_ref()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Asked<'_> {
    fn error_view(&self, development: bool, excerpt: Option<Excerpt>) -> ErrorView<'_> {
        let mut view = match self {
            Asked::Here(request) => {
                let media = Media::preferred(request.headers().get_all(header::ACCEPT));
                ErrorView::new(media, request.method(), request.path())
            }
            Asked::Gone(asker) => ErrorView::new(Media::preferred(&asker.accept), &asker.method, asker.uri.path()),
        };
        (view.query, view.headers) = match self {
            Asked::Here(request) => (request.query(), Some(request.headers())),
            Asked::Gone(asker) => (asker.uri.query(), asker.headers.as_ref()),
        };
        (view.development, view.excerpt) = (development, excerpt);
        view
    }

    fn method(&self) -> &Method {
        match self {
            Asked::Here(request) => request.method(),
            Asked::Gone(asker) => &asker.method,
        }
    }

    fn uri(&self) -> &Uri {
        match self {
            Asked::Here(request) => request.uri(),
            Asked::Gone(asker) => &asker.uri,
        }
    }

    fn id(&self) -> Option<&RequestId> {
        match self {
            Asked::Here(request) => request.id(),
            Asked::Gone(asker) => asker.id.as_ref(),
        }
    }

    /// Returns the trace context for a line in the log.
    fn trace(&self) -> Option<TraceContext> {
        match self {
            Asked::Here(request) => TraceContext::from_headers(request.headers()),
            Asked::Gone(asker) => TraceContext::parse(asker.trace.as_ref()?.to_str().ok()?),
        }
    }

    fn scheme(&self) -> Scheme {
        match self {
            Asked::Here(request) => request.scheme(),
            Asked::Gone(asker) => asker.scheme,
        }
    }

    /// Returns `None` if it is not needed.
    fn request_view(&self) -> Option<RequestView<'_>> {
        match self {
            Asked::Here(request) => Some(request.view()),
            Asked::Gone(Asker { method, uri, headers, extensions, peer, scheme, id, .. }) => {
                let (headers, id) = (headers.as_ref()?, id.as_ref());
                let mut view = RequestView::new(method, uri, headers, extensions);
                (view.peer, view.scheme, view.id) = (*peer, *scheme, id);
                Some(view)
            }
        }
    }
}

/// Finishes a response: first the error page, then the security headers, then the after hooks, which see
/// both. In place, because moving a response is a visible part of a short request.
pub(crate) fn finish(app: &Composed, chain: &Chain, asked: &Asked<'_>, answered: &mut Answered) {
    let Answered { response, depth } = answered;
    settle(app, asked, response);
    refuse_interim(response);
    render(app, chain, asked, response);
    if chain.has_after()
        && let Some(view) = asked.request_view()
    {
        for hook in chain.after(*depth) {
            if let Err(panic) = panics::caught(|| hook.run(&view, response)) {
                *response = panic.into();
            }
            refuse_interim(response);
            if response.error().is_some() {
                render(app, chain, asked, response);
            }
        }
    }
    if let Some(id) = asked.id() {
        response.headers_mut().insert(RequestId::HEADER, id.to_value());
    }
    if response.is_switching() {
        app.counters.note_protocol(Protocol::WebSocket);
    }
    empty(response);
    measure(asked, response);
    // After the hooks, because they may set cookies.
    if asked.scheme() == Scheme::Https {
        secure_cookies(response.headers_mut());
    }
    if response.body().as_bytes().is_none() {
        end_events(response, &app.shutdown);
        let (body, method, uri) = (response.take_body(), asked.method().clone(), asked.uri().clone());
        response.set_body(Body::new(Reported {
            body,
            method,
            uri,
            id: asked.id().cloned(),
            trace: asked.trace(),
            broken: None,
        }));
    }
}

/// Adds the cookie of a session, after the hooks, which could remove it, and keeps the response out of caches
/// that would give it to another visitor.
pub(crate) fn add_session(headers: &mut HeaderMap, kept: Kept) {
    if kept.is_used {
        coding::vary(headers, "cookie");
    }
    let Some(cookie) = kept.cookie else { return };
    headers.append(header::SET_COOKIE, cookie);
    let is_private = |value: &HeaderValue| {
        let mut directives = value.to_str().unwrap_or_default().split(',').map(|directive| directive.trim());
        directives.any(|name| name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store"))
    };
    if !headers.get_all(header::CACHE_CONTROL).iter().any(is_private) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn render(app: &Composed, chain: &Chain, asked: &Asked<'_>, response: &mut Response) {
    if let Some(error) = response.take_error() {
        let mut view = asked.error_view(app.settings.development, excerpt(app, &error));
        if app.settings.development && error.status() == StatusCode::NOT_FOUND {
            view.nearby = nearby(app, asked.method(), asked.uri().path());
        }
        let page = page(chain, &error, asked, &view);
        let failed = std::mem::replace(response, page);
        keep_headers(response.headers_mut(), failed.headers());
        // A cache must not serve a page for programs to a browser.
        coding::vary(response.headers_mut(), "accept");
    }
    if app.settings.security_headers {
        secure(response.headers_mut());
        if let Some(hsts) = app.hsts.as_ref().filter(|_| asked.scheme() == Scheme::Https) {
            response.headers_mut().entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
        }
    }
}

/// Replaces a response with an interim status by an error: after 1xx a client waits for another response (RFC
/// 9110, section 15.2). The response that switches the protocol is the exception.
#[inline]
fn refuse_interim(response: &mut Response) {
    let status = response.status();
    if status.is_informational() && !response.is_switching() {
        let why = format!("the response has the interim status {status}: use a status from 200");
        *response = refuse(StatusCode::INTERNAL_SERVER_ERROR).with_chain(vec![why]).into();
    }
}

/// Keeps `Content-Length` only if the server cannot compute it: for responses to HEAD without the body, and
/// for streams, where the server checks it. A wrong length would make the client read the rest of this
/// response as the next one.
fn measure(asked: &Asked<'_>, response: &mut Response) {
    let length = match response.body().as_bytes() {
        Some(bytes) => Some(bytes.len() as u64),
        None => response.body().size_hint().exact(),
    };
    let is_told = match length {
        Some(0) => *asked.method() == Method::HEAD,
        Some(_) => false,
        None => true,
    };
    let is_told = is_told && response.status() != StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    // Nearly no response has one. A scan of the few headers is faster than a search.
    let is_there = headers.keys().any(|name| *name == header::CONTENT_LENGTH);
    if is_there && !(is_told && is_one_number(headers.get_all(header::CONTENT_LENGTH))) {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Returns whether a length is valid. For any other value the server would close the connection without a
/// response.
fn is_one_number(lengths: GetAll<'_, HeaderValue>) -> bool {
    let mut lengths = lengths.iter().map(HeaderValue::as_bytes);
    let number = lengths.next().filter(|length| length.iter().all(u8::is_ascii_digit));
    let number = number.and_then(|length| str::from_utf8(length).ok()?.parse::<u64>().ok());
    number.is_some() && lengths.next().is_none()
}

/// Copies the headers that a handler or hook has set on the failed response to its error page.
fn keep_headers(page: &mut HeaderMap, failed: &HeaderMap) {
    for name in failed.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        let is_list = *name == header::SET_COOKIE || *name == header::VARY;
        if !is_list && page.contains_key(name) {
            continue;
        }
        for value in failed.get_all(name) {
            if !page.get_all(name).iter().any(|known| known == value) {
                page.append(name.clone(), value.clone());
            }
        }
    }
}

/// Removes the body of a response that must not have one (RFC 9110, section 15.3.6), and the headers that
/// were left in a 304 for its tag.
fn empty(response: &mut Response) {
    if response.status() == StatusCode::RESET_CONTENT {
        response.set_body(Body::empty());
    }
    if matches!(response.status(), StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_TYPE] {
            response.headers_mut().remove(name);
        }
    }
}

/// Adds an `ETag`, compresses the response, and applies the conditions of the request.
fn settle(app: &Composed, asked: &Asked<'_>, response: &mut Response) {
    if response.error().is_some() || response.is_switching() {
        return;
    }
    let method = asked.method();
    let headers = match asked {
        Asked::Here(request) => Some(request.headers()),
        Asked::Gone(asker) => asker.headers.as_ref(),
    };
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if app.settings.etags && is_read && response.status() == StatusCode::OK {
        response.tag();
    }
    let Some(headers) = headers else { return };
    // Compression comes first, because it changes the tag that the conditions compare.
    if let Some(compress) = app.settings.compress {
        compress(headers, response);
    }
    if let Err(error) = response.apply_conditions(method, headers) {
        *response = error.into();
    }
}

/// Returns the source code around the place of a failure, in development.
fn excerpt(app: &Composed, error: &Error) -> Option<Excerpt> {
    app.settings.development.then(|| excerpt::around(error.place())).flatten()
}

fn page(chain: &Chain, error: &Error, asked: &Asked<'_>, view: &ErrorView<'_>) -> Response {
    log(chain, error, view, asked);
    let Some(page) = chain.page(error.status()) else { return error.render(view) };
    let mut response = panics::caught(|| page(error, view)).unwrap_or_else(Response::from).with_status(error.status());
    if let Some(missed) = error.missed_type().filter(|_| view.development) {
        let fix = "attach what the page needs with `Error::with_data`";
        tracing::warn!(
            path = view.path,
            "an error page asked for the cause `{missed}`, which stayed in a worker: {fix}"
        );
    }
    // If the app's page fails too, the built-in page is used.
    if let Some(failed) = response.take_error() {
        log(chain, &failed, view, asked);
        return error.render(view);
    }
    for (name, value) in error.headers() {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

fn log(chain: &Chain, error: &Error, view: &ErrorView<'_>, asked: &Asked<'_>) {
    let (request, trace) = (asked.id().map(|id| &**id), asked.trace());
    let trace_id = trace.as_ref().map(TraceContext::trace_id);
    let (status, method, path) = (error.status().as_u16(), view.method, view.path);
    match error.status() {
        // A flood of requests must not fill the disk.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::MISDIRECTED_REQUEST => {
            if let Some(unlogged) = chain.busy.due() {
                tracing::warn!(status, %method, path, request, trace_id, unlogged, "{error}");
            }
        }
        refused if refused.is_client_error() => tracing::debug!(status, %method, path, request, trace_id, "{error}"),
        _ => tracing::error!(status, %method, path, request, trace_id, place = error.place(), "{error}"),
    }
}

/// Two of the headers concern only pages, so other responses do not get them.
fn secure(headers: &mut HeaderMap) {
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if is_page {
        headers.entry(header::X_FRAME_OPTIONS).or_insert(SAME_ORIGIN);
        headers.entry(header::REFERRER_POLICY).or_insert(ORIGIN_ONLY);
    }
}

/// Adds `Secure` to cookies, so that browsers do not send them without TLS.
fn secure_cookies(headers: &mut HeaderMap) {
    let cookies = headers.iter_mut().filter(|(name, _)| *name == header::SET_COOKIE);
    for (_, cookie) in cookies {
        let is_secure = |attribute: &[u8]| attribute.trim_ascii().eq_ignore_ascii_case(b"secure");
        if !cookie.as_bytes().split(|byte| *byte == b';').skip(1).any(is_secure)
            && let Ok(secure) = HeaderValue::from_bytes(&[cookie.as_bytes(), b"; Secure"].concat())
        {
            *cookie = secure;
        }
    }
}
