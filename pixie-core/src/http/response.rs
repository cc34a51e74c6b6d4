//! `Response`: what the client gets, built step by step.
//!
//! A failed response carries its [`Error`] and has no body yet. The app makes the page at the end, in one
//! place, when it knows what the client accepts and whether this is development. Invariant: a failed response
//! has the status of its error.
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{Body, Cookie, Error, http::cookies};

/// A response: status, headers and body.
///
/// A method that gets a value which cannot be sent, such as a header with a line break, turns the response
/// into a 500.
///
/// ```
/// use pixie_core::{Cookie, Response};
/// let response = Response::new("<svg/>").code(201).content_type("image/svg+xml").cookie(Cookie::new("seen", "1"));
/// assert_eq!(response.status().as_u16(), 201);
/// ```
#[derive(Debug)]
#[must_use = "a response has no effect until it is returned"]
pub struct Response {
    inner: http::Response<Body>,
    error: Option<Error>,
}

impl Response {
    /// Returns a 200 response with this body and no headers.
    pub fn new(body: impl Into<Body>) -> Response {
        Response { inner: http::Response::new(body.into()), error: None }
    }

    /// Returns a 200 response with this body and media type. The media type is not parsed, which saves time.
    pub(crate) fn with_type(body: Body, media: HeaderValue) -> Response {
        let mut response = Response::new(body);
        response.headers_mut().append(header::CONTENT_TYPE, media);
        response
    }

    /// Returns a response with this status and no body.
    pub fn empty(status: StatusCode) -> Response {
        let mut response = Response::new(Body::empty());
        *response.inner.status_mut() = status;
        response
    }

    /// Returns a response after which the connection speaks another protocol.
    #[doc(hidden)]
    pub fn switching(status: StatusCode) -> Response {
        let mut response = Response::empty(status);
        response.inner.extensions_mut().insert(Switching);
        response
    }

    /// Returns whether [`Response::switching`] has made this response. Only then its status may be 101.
    #[doc(hidden)]
    pub fn is_switching(&self) -> bool {
        self.inner.extensions().get::<Switching>().is_some()
    }

    /// Returns a response from the type of the `http` crate.
    pub fn from_http(inner: http::Response<Body>) -> Response {
        Response { inner, error: None }
    }

    /// Turns into the http crate's type. An error that it carries is lost: render it first.
    pub fn into_http(self) -> http::Response<Body> {
        self.inner
    }

    /// Sets the status by its number. A number outside of 100 to 999 turns the response into a 500. A status
    /// from 100 to 199 is not final (RFC 9110, section 15.2), so an app sends a 500 in its place.
    #[track_caller]
    pub fn code(self, code: u16) -> Response {
        match StatusCode::from_u16(code) {
            Ok(status) => self.with_status(status),
            Err(_) => Error::internal(format!("invalid HTTP status {code}: use a number from 100 to 999")).into(),
        }
    }

    /// Sets the status. A failed response keeps the status of its error.
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.set_status(status);
        self
    }

    /// Sets a header, in place of earlier ones of this name. A name or value that cannot be sent turns the
    /// response into a 500.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Response
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let Ok(name) = name.try_into() else {
            return Error::internal("the name of a header has a character that cannot be sent").into();
        };
        let Ok(value) = value.try_into() else {
            return Error::internal(format!("the header `{name}` has a value that cannot be sent")).into();
        };
        self.headers_mut().insert(name, value);
        self
    }

    /// Sets the `Content-Type`.
    #[track_caller]
    pub fn content_type(self, media: &str) -> Response {
        self.header(header::CONTENT_TYPE, media)
    }

    /// Adds a `Set-Cookie` header. The defaults are `HttpOnly`, `SameSite=Lax` and `Path=/`; attributes of
    /// the cookie win.
    ///
    /// Over HTTPS, an app also makes the cookie `Secure`. A name or an attribute that cannot be sent turns
    /// the response into a 500. So does a name that begins with `__Host-` if the cookie has a domain or
    /// another path than `/`.
    #[track_caller]
    pub fn cookie(mut self, cookie: Cookie<'_>) -> Response {
        let name = cookie.name().to_owned();
        match cookies::set_cookie(cookie) {
            Some(value) => {
                self.headers_mut().append(header::SET_COOKIE, value);
                self
            }
            None => Error::internal(format!("cannot send the cookie `{name}`: check its name, path and domain")).into(),
        }
    }

    /// Adds a `Set-Cookie` header for each name and value.
    ///
    /// ```
    /// # use pixie_core::Response;
    /// let response = Response::new("saved").cookies([("theme", "dark"), ("size", "large")]);
    /// assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    /// ```
    #[track_caller]
    pub fn cookies<N, V>(self, cookies: impl IntoIterator<Item = (N, V)>) -> Response
    where
        (N, V): Into<Cookie<'static>>,
    {
        cookies.into_iter().fold(self, |response, pair| response.cookie(pair.into()))
    }

    /// Tells the browser to delete a cookie: `remove_cookie("theme")`. A cookie with a path or a domain needs
    /// them here too.
    #[track_caller]
    pub fn remove_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Response {
        self.cookie(cookies::removal(cookie.into()))
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Sets the status in place: see [`Response::with_status`].
    pub fn set_status(&mut self, status: StatusCode) {
        if self.error.is_none() {
            *self.inner.status_mut() = status;
        }
    }

    /// Returns the headers, to change them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.inner.headers_mut()
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        self.inner.body()
    }

    /// Takes the body, and leaves an empty one.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(self.inner.body_mut())
    }

    /// Replaces the body.
    pub fn set_body(&mut self, body: Body) {
        *self.inner.body_mut() = body;
    }

    /// Returns the error of a failed response.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Takes the error of a failed response.
    pub fn take_error(&mut self) -> Option<Error> {
        self.error.take()
    }
}

/// Marks the response after which the connection speaks another protocol.
#[derive(Clone)]
struct Switching;

impl From<Error> for Response {
    fn from(error: Error) -> Response {
        let mut response = Response::empty(error.status());
        response.headers_mut().extend(error.headers().clone());
        response.error = Some(error);
        response
    }
}
