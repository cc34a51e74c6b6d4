//! `Response`: what goes back to a client, built step by step.
//!
//! A response that stands for a failure carries its [`Error`] and no body yet: the page is made at the end, in one place,
//! when it is known what the client reads and whether this is development. Its status is the failure's, whatever is set later.
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{Body, Cookie, Error, Rejection, http::cookies};

/// A response: status, headers and body.
///
/// ```
/// use pixie_core::{Cookie, Response};
/// let response = Response::new("<svg/>").code(201).content_type("image/svg+xml").cookie(Cookie::new("seen", "1"));
/// assert_eq!(response.status().as_u16(), 201);
/// ```
#[derive(Debug)]
pub struct Response {
    inner: http::Response<Body>,
    error: Option<Error>,
}

impl Response {
    /// Returns a 200 response with this body and no headers.
    pub fn new(body: impl Into<Body>) -> Response {
        Response { inner: http::Response::new(body.into()), error: None }
    }

    /// Returns a 200 response with this body and media type, the one constructor of the fast path.
    pub(crate) fn with_type(body: Body, media: HeaderValue) -> Response {
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        response
    }

    /// Returns a response with this status and no body.
    pub fn empty(status: StatusCode) -> Response {
        let mut response = Response::new(Body::empty());
        *response.inner.status_mut() = status;
        response
    }

    /// Takes a response from the http crate's type.
    pub fn from_http(inner: http::Response<Body>) -> Response {
        Response { inner, error: None }
    }

    /// Turns into the http crate's type. An error that it carries is lost: render it first.
    pub fn into_http(self) -> http::Response<Body> {
        self.inner
    }

    /// Sets the status by its number; a number that is no status (RFC 9110: 100 to 999) makes this a 500, and an app
    /// answers 500 where it is one that ends no answer (100 to 199).
    #[track_caller]
    pub fn code(self, code: u16) -> Response {
        match StatusCode::from_u16(code) {
            Ok(status) => self.with_status(status),
            Err(_) => Error::internal(format!("{code} is no HTTP status")).into(),
        }
    }

    /// Sets the status; a response that stands for a failure keeps the failure's.
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.set_status(status);
        self
    }

    /// Sets a header, in place of earlier ones of this name; text that is no header makes this a 500.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Response
    where
        (N, V): HeaderPair,
    {
        match (name, value).into_pair() {
            Ok((name, value)) => {
                self.headers_mut().insert(name, value);
                self
            }
            Err(error) => error.into(),
        }
    }

    /// Sets the `Content-Type`.
    #[track_caller]
    pub fn content_type(self, media: &str) -> Response {
        self.header(header::CONTENT_TYPE, media)
    }

    /// Adds a `Set-Cookie` header. Unless the cookie says otherwise it is `HttpOnly`, `SameSite=Lax` and for the whole site.
    ///
    /// Over HTTPS an app makes it `Secure` besides. A name or an attribute that cannot be sent makes this a 500, and so does
    /// a name that begins with `__Host-` where path or domain are not what that prefix promises.
    #[track_caller]
    pub fn cookie(mut self, cookie: Cookie<'_>) -> Response {
        let name = cookie.name().to_owned();
        match cookies::set_cookie(cookie) {
            Some(value) => {
                self.headers_mut().append(header::SET_COOKIE, value);
                self
            }
            None => {
                Error::internal(format!("the cookie `{name}` has a name or an attribute that cannot be sent")).into()
            }
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

    /// Lets the browser forget a cookie: `remove_cookie("theme")`. One with a path or a domain needs them here too.
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

    /// Does what [`Response::with_status`] does, in place.
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

    /// Takes the body out.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(self.inner.body_mut())
    }

    /// Puts another body in.
    pub fn set_body(&mut self, body: Body) {
        *self.inner.body_mut() = body;
    }

    /// Returns the failure that this response stands for.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Takes the failure out that this response stands for.
    pub fn take_error(&mut self) -> Option<Error> {
        self.error.take()
    }
}

/// A header's name and value, from text or typed; implemented for what the http crate can read.
pub trait HeaderPair {
    /// Reads both, or names the one that is no header.
    fn into_pair(self) -> Result<(HeaderName, HeaderValue), Error>;
}

impl<N, V> HeaderPair for (N, V)
where
    N: TryInto<HeaderName> + std::fmt::Debug,
    V: TryInto<HeaderValue> + std::fmt::Debug,
{
    #[track_caller]
    fn into_pair(self) -> Result<(HeaderName, HeaderValue), Error> {
        let name =
            self.0.try_into().map_err(|_| Error::internal("a header's name has a character that cannot be sent"))?;
        let invalid = |_| Error::internal(format!("the header `{name}` has a value that cannot be sent"));
        let value = self.1.try_into().map_err(invalid)?;
        Ok((name, value))
    }
}

impl From<Error> for Response {
    fn from(error: Error) -> Response {
        let mut response = Response::empty(error.status());
        response.headers_mut().extend(error.headers().clone());
        response.error = Some(error);
        response
    }
}

impl From<Rejection> for Response {
    fn from(rejection: Rejection) -> Response {
        Error::from(rejection).into()
    }
}
