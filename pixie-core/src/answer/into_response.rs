//! `IntoResponse`: how what a handler returns becomes a response, and the small types that people return.
use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{Body, Error, HeaderPair, Rejection, Response};

// Checked when this is compiled: looking at each of their bytes is a visible part of a quick request.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
pub(crate) const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Turns a handler's return value into a response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a route's handler",
    label = "is no response",
    note = "a handler returns text, bytes, `Html`, `Json`, `Redirect`, `Response`, a `StatusCode`, a tuple such as `(StatusCode, \"text\")`, or an `Option` or `Result` of one of them",
    note = "to return `{Self}`, implement `IntoResponse` for it"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

/// A page: text sent as `text/html`.
#[derive(Clone, Debug)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response::with_type(self.0.into(), HTML)
    }
}

/// Sends the client to another address.
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// Sends the client there with GET, as after a form (303 See Other).
    pub fn to(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::SEE_OTHER, location: location.into() }
    }

    /// Sends the client there for this time, with the same method (307 Temporary Redirect).
    pub fn temporary(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::TEMPORARY_REDIRECT, location: location.into() }
    }

    /// Sends the client there from now on, with the same method (308 Permanent Redirect).
    pub fn permanent(location: impl Into<String>) -> Redirect {
        Redirect { status: StatusCode::PERMANENT_REDIRECT, location: location.into() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        Response::empty(self.status).header(header::LOCATION, self.location)
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
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::with_type(Body::from(self), TEXT)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::with_type(Body::from(self), TEXT)
    }
}

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::with_type(Body::from(self), BINARY)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::with_type(Body::from(self), BINARY)
    }
}

impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        Response::with_type(Body::from(self), BINARY)
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

/// A status alone: an error status becomes its error page, another one an empty response.
impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        match self.is_client_error() || self.is_server_error() {
            true => Error::new(self).into(),
            false => Response::empty(self),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into()
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.into()
    }
}

/// Nothing is 404.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        match self {
            Some(value) => value.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for std::result::Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into().into(),
        }
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap<HeaderValue>, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.headers_mut().extend(self.0);
        response
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, HeaderMap<HeaderValue>, T) {
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }
}

impl<N, V, T: IntoResponse, const COUNT: usize> IntoResponse for ([(N, V); COUNT], T)
where
    (N, V): HeaderPair,
{
    fn into_response(self) -> Response {
        let start = self.1.into_response();
        self.0.into_iter().fold(start, |response, (name, value)| response.header(name, value))
    }
}

impl<N, V, T: IntoResponse, const COUNT: usize> IntoResponse for (StatusCode, [(N, V); COUNT], T)
where
    (N, V): HeaderPair,
{
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }
}
