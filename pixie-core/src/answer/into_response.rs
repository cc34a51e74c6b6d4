//! `IntoResponse`: how the value that a handler returns becomes a response.
use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::{Body, Error, IntoError, Notes, Response};

// Constants, because checking each byte takes a measurable part of a short request.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
pub(crate) const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// The visible ASCII characters that no URL has (RFC 3986, appendix A). A `%` is kept, because it begins an
/// encoded character. Browsers would read a backslash as a slash.
const NOT_IN_URLS: AsciiSet = AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Turns the value that a handler returns into a response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a route's handler",
    label = "cannot be turned into a response",
    note = "a handler returns text, bytes, `Html`, `Json`, `Redirect`, `Response`, a `StatusCode`, a tuple such as `(StatusCode, \"text\")`, or an `Option` or `Result` of one of them",
    note = "to return `{Self}`, implement `IntoResponse` for it"
)]
pub trait IntoResponse {
    /// Returns the response.
    fn into_response(self) -> Response;

    /// Notes for the OpenAPI document which responses the type can become. Without it, the document says nothing
    /// about them.
    ///
    /// ```
    /// use pixie_core::{IntoResponse, Notes, Response};
    /// struct Csv(String);
    ///
    /// impl IntoResponse for Csv {
    ///     fn into_response(self) -> Response {
    ///         Response::new(self.0).content_type("text/csv")
    ///     }
    ///
    ///     fn describe(notes: &mut Notes) {
    ///         notes.answer::<str>("200", "text/csv");
    ///     }
    /// }
    /// ```
    fn describe(notes: &mut Notes)
    where
        Self: Sized,
    {
        let _ = notes;
    }
}

/// A page: text that is sent as `text/html`.
///
/// ```
/// use pixie_core::{Html, IntoResponse};
/// let response = Html("<h1>Hello</h1>").into_response();
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// ```
#[derive(Clone, Debug)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response::with_type(self.0.into(), HTML)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<str>("200", "text/html");
    }
}

/// Sends the client to another address. Characters that no URL has, such as `é` and a space, are
/// percent-encoded. An address with a control character turns the response into a 500.
///
/// ```
/// use pixie_core::{IntoResponse, Redirect};
/// assert_eq!(Redirect::to("/done").into_response().headers()["location"], "/done");
/// assert_eq!(Redirect::to("/caf\u{e9}").into_response().headers()["location"], "/caf%C3%A9");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a redirect has no effect until it is returned"]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// The client requests the address with GET, for example after a form (303 See Other).
    pub fn to(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::SEE_OTHER, location: location.into() }
    }

    /// The client repeats the request there, this time only (307 Temporary Redirect).
    pub fn temporary(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::TEMPORARY_REDIRECT, location: location.into() }
    }

    /// The client repeats the request there, now and in the future (308 Permanent Redirect).
    pub fn permanent(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::PERMANENT_REDIRECT, location: location.into() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let location = utf8_percent_encode(&self.location, &NOT_IN_URLS).to_string();
        Response::empty(self.status).header(header::LOCATION, location)
    }

    fn describe(notes: &mut Notes) {
        notes.empty_answer("3XX");
    }
}

/// A response with the status 201, for what the request has made.
///
/// ```
/// use pixie_core::{Created, IntoResponse, Json};
/// let response = ([("location", "/users/7")], Created(Json("Ada"))).into_response();
/// assert_eq!((response.status().as_u16(), &response.headers()["location"]), (201, &"/users/7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Created<T>(pub T);

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        self.0.into_response().with_status(StatusCode::CREATED)
    }

    fn describe(notes: &mut Notes) {
        notes.with_status("201", T::describe);
    }
}

/// A response with the status 204, for a request that has succeeded and has nothing to show.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        Response::empty(StatusCode::NO_CONTENT)
    }

    fn describe(notes: &mut Notes) {
        notes.empty_answer("204");
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for http::Response<Body> {
    fn into_response(self) -> Response {
        Response::from_http(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Body::empty())
    }

    fn describe(notes: &mut Notes) {
        notes.empty_answer("200");
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::with_type(self.into(), TEXT)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<str>("200", "text/plain");
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::with_type(self.into(), TEXT)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<str>("200", "text/plain");
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::with_type(self.into(), BINARY)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<[u8]>("200", "application/octet-stream");
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::with_type(self.into(), BINARY)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<[u8]>("200", "application/octet-stream");
    }
}

impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        Response::with_type(self.into(), BINARY)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<[u8]>("200", "application/octet-stream");
    }
}

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<str>("200", "text/plain");
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

/// An error status becomes an error page, any other status an empty response.
impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        match self.is_client_error() || self.is_server_error() {
            true => Error::new(self).into(),
            false => Response::empty(self),
        }
    }

    fn describe(notes: &mut Notes) {
        notes.empty_answer("2XX");
        notes.empty_answer("default");
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into()
    }

    fn describe(notes: &mut Notes) {
        notes.failure("default");
    }
}

/// `None` becomes a 404.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        match self {
            Some(value) => value.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn describe(notes: &mut Notes) {
        T::describe(notes);
        notes.failure("404");
    }
}

impl<T: IntoResponse, E: IntoError> IntoResponse for std::result::Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_error().into(),
        }
    }

    fn describe(notes: &mut Notes) {
        T::describe(notes);
        notes.failure("default");
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }

    fn describe(notes: &mut Notes) {
        notes.with_status("2XX", T::describe);
    }
}

impl<N, V, T: IntoResponse, const COUNT: usize> IntoResponse for ([(N, V); COUNT], T)
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
{
    fn into_response(self) -> Response {
        let start = self.1.into_response();
        self.0.into_iter().fold(start, |response, (name, value)| response.header(name, value))
    }

    fn describe(notes: &mut Notes) {
        T::describe(notes);
    }
}

impl<N, V, T: IntoResponse, const COUNT: usize> IntoResponse for (StatusCode, [(N, V); COUNT], T)
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
{
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }

    fn describe(notes: &mut Notes) {
        notes.with_status("2XX", T::describe);
    }
}
