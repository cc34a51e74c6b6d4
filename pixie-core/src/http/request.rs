//! `Request`: what a client asked for, as a handler sees it.
//!
//! It owns the head, the body, and what the server attached before the handler runs (`plumbing.rs`). A body
//! is either whole in memory, or a stream that the handler polls.
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version, header, header::AsHeaderName, request::Parts};

use crate::{
    Body, Cookies, Error, FormLimits, FromParam, Pairs, Parts as FormParts, RequestId, Scheme, StateMap,
    error::{refused, shown},
    http::plumbing::Plumbing,
};

/// A request: its head and its body.
///
/// A handler of any kind may take a `Request`. It then gets the whole body.
///
/// ```
/// use pixie_core::Request;
/// fn greet(request: Request) -> String {
///     format!("Hello {}!", request.query_pairs().get("name").unwrap_or("you"))
/// }
/// let request = Request::from_http(http::Request::get("/?name=Ada").body("".into())?);
/// assert_eq!(greet(request), "Hello Ada!");
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Request {
    head: Parts,
    body: Body,
    plumbing: Plumbing,
}

impl Request {
    /// Returns a request from the type of the `http` crate.
    pub fn from_http(request: http::Request<Body>) -> Request {
        let (head, body) = request.into_parts();
        Request { head, body, plumbing: Plumbing::default() }
    }

    /// Returns the request as the type of the crate `http`. What the server attached is lost, such as the
    /// client's address.
    pub fn into_http(self) -> http::Request<Body> {
        http::Request::from_parts(self.head, self.body)
    }

    /// Returns a request for `method` and `uri`, without headers or body.
    pub fn new(method: Method, uri: Uri) -> Request {
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        Request::from_http(request)
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the method's name, such as `GET`.
    pub fn verb(&self) -> &str {
        self.head.method.as_str()
    }

    /// Returns the target as the client sent it.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the path as the client sent it, percent-encoded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Returns the query string without its `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// Returns the query string's names and values, decoded.
    pub fn query_pairs(&self) -> Pairs {
        Pairs::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// Returns the protocol's name, such as `HTTP/1.1`.
    pub fn protocol(&self) -> &'static str {
        match self.head.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns a header, if the request has it and its value is ASCII text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns the cookies that the client sent.
    pub fn cookies(&self) -> Cookies {
        Cookies::from_headers(self.headers())
    }

    /// Returns the bytes of the body, or an empty slice if the body is a stream.
    pub fn body(&self) -> &[u8] {
        self.body.as_bytes().unwrap_or_default()
    }

    /// Returns whether the whole body is in memory.
    pub fn has_whole_body(&self) -> bool {
        self.body.as_bytes().is_some()
    }

    /// Returns the decoded fields of a form. They are empty if the body is not a form or exceeds the app's
    /// [`FormLimits`]; [`Request::parts`] returns the reason.
    pub fn form(&self) -> Pairs {
        match &self.plumbing.parts {
            Some(parts) => parts.fields.clone(),
            None => self.read_parts().map(|parts| parts.fields).unwrap_or_default(),
        }
    }

    /// Returns the fields and files of a form.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is not a form, is malformed, or exceeds the app's [`FormLimits`].
    pub fn parts(&mut self) -> Result<&FormParts, Error> {
        let parts = match self.plumbing.parts.take() {
            Some(parts) => parts,
            None => Box::new(self.read_parts()?),
        };
        Ok(self.plumbing.parts.insert(parts))
    }

    fn read_parts(&self) -> Result<FormParts, Error> {
        if self.is_multipart() {
            return FormParts::read(self.headers(), self.body.shared_bytes(), &self.form_limits());
        }
        self.expect_media("application/x-www-form-urlencoded or multipart/form-data", is_urlencoded)?;
        Ok(FormParts { fields: Pairs::parse(self.urlencoded()?), files: Vec::new() })
    }

    /// Returns the text of an urlencoded form that is within the app's limits.
    pub(crate) fn urlencoded(&self) -> Result<&[u8], Error> {
        self.form_limits().check_urlencoded(self.body())?;
        Ok(self.body())
    }

    /// Returns the app's limits. They are in the app's state, so that requests without a form do not carry
    /// them.
    fn form_limits(&self) -> Arc<FormLimits> {
        self.state().and_then(StateMap::get).unwrap_or_default()
    }

    /// Returns whether the body is a multipart form.
    pub fn is_multipart(&self) -> bool {
        self.media_type().is_some_and(|media| media.eq_ignore_ascii_case("multipart/form-data"))
    }

    /// Returns whether the body is an urlencoded form.
    pub(crate) fn is_urlencoded(&self) -> bool {
        self.media_type().is_some_and(is_urlencoded)
    }

    /// Returns the media type of the body, without its parameters (RFC 9110, section 8.3.1).
    pub(crate) fn media_type(&self) -> Option<&str> {
        let value = self.headers().get(header::CONTENT_TYPE)?.as_bytes();
        let media = value.split(|byte| *byte == b';').next()?.trim_ascii();
        std::str::from_utf8(media).ok().filter(|media| !media.is_empty())
    }

    /// Checks that the body has the wanted media type.
    pub(crate) fn expect_media(&self, wanted: &str, is_wanted: fn(&str) -> bool) -> Result<(), Error> {
        let detail = match self.media_type() {
            Some(media) if is_wanted(media) => return Ok(()),
            Some(media) => format!("the body has the type `{}`: send it as {wanted}", shown(media)),
            None if self.body().is_empty() => return Err(Error::missing(no_media_type(wanted))),
            None => no_media_type(wanted),
        };
        Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }

    /// Returns the address of the client, if it is known: see [`Peer`](crate::Peer).
    pub fn peer(&self) -> Option<SocketAddr> {
        self.plumbing.peer
    }

    /// Returns how the client reaches the app.
    pub fn scheme(&self) -> Scheme {
        self.plumbing.scheme
    }

    /// Returns the host that the client asks, with its port if the request names one.
    ///
    /// A host in the request target takes precedence over the `Host` header (RFC 9112, section 3.2.2).
    pub fn host(&self) -> Option<&str> {
        let of_target = self.head.uri.authority().map(|authority| authority.as_str());
        of_target.or_else(|| self.header(header::HOST))
    }

    /// Returns the request as HTTP/1.1 text: request line, headers and the buffered body. Header names are in
    /// lower case.
    pub fn raw(&self) -> Vec<u8> {
        let target = self.head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut raw = format!("{} {target} {}\r\n", self.verb(), self.protocol()).into_bytes();
        for (name, value) in self.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                raw.extend_from_slice(part);
            }
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(self.body());
        raw
    }

    /// Returns the decoded text of a `<wildcard>`.
    pub fn param_text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.plumbing.params.get(name, self.path())
    }

    /// Returns the value of a `<wildcard>`.
    ///
    /// # Errors
    ///
    /// Returns an error with the status 404 if the text does not fit the type.
    pub fn param<T: FromParam>(&self, name: &str) -> Result<T, Error> {
        let value = self.param_text(name).and_then(|text| T::from_param(&text));
        value.ok_or_else(|| refused(StatusCode::NOT_FOUND, "there is no page at this address"))
    }

    /// Returns the values that layers and hooks attached to the request.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Returns the values that layers and hooks attached to the request, to change them.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// Returns the headers, to change them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Returns the app's values in this process.
    pub fn state(&self) -> Option<&StateMap> {
        self.plumbing.state.as_deref()
    }

    /// Returns what an after hook gets of this request.
    pub fn view(&self) -> RequestView<'_> {
        let Parts { method, uri, headers, extensions, .. } = &self.head;
        let (peer, scheme, id) = (self.peer(), self.scheme(), self.id());
        RequestView { peer, scheme, id, ..RequestView::new(method, uri, headers, extensions) }
    }

    /// Takes the body, and leaves an empty one.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    /// Takes the bytes of the body. Returns no bytes if the body is a stream.
    pub fn take_bytes(&mut self) -> Bytes {
        self.take_body().into_bytes().unwrap_or_default()
    }

    /// Replaces the body.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// Returns the id of the request in logs, if it has one: see [`RequestId`].
    pub fn id(&self) -> Option<&RequestId> {
        self.plumbing.id.as_ref()
    }

    /// Returns what the server attached to the request.
    #[doc(hidden)]
    pub fn plumbing(&self) -> &Plumbing {
        &self.plumbing
    }

    /// Returns what the server attached to the request, to change it.
    #[doc(hidden)]
    pub fn plumbing_mut(&mut self) -> &mut Plumbing {
        &mut self.plumbing
    }

    /// Takes the request, and leaves a copy without the body for the error page.
    pub(crate) fn take(&mut self) -> Request {
        let left = self.plumbing.without_body();
        Request {
            head: self.head.clone(),
            body: self.take_body(),
            plumbing: std::mem::replace(&mut self.plumbing, left),
        }
    }
}

impl Default for Request {
    /// Returns `GET /`, without headers or body.
    fn default() -> Request {
        Request::from_http(http::Request::new(Body::empty()))
    }
}

fn is_urlencoded(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn no_media_type(wanted: &str) -> String {
    format!("the request has no Content-Type: send the body as {wanted}")
}

/// What an after hook gets of the request: its head, as the handler got it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestView<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target as the client sent it.
    pub uri: &'r Uri,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The values that layers and before hooks attached to the request.
    pub extensions: &'r Extensions,
    /// The address of the client, if it is known.
    pub peer: Option<SocketAddr>,
    /// How the client reaches the app.
    pub scheme: Scheme,
    /// The id of the request in logs, if it has one.
    pub id: Option<&'r RequestId>,
}

impl<'r> RequestView<'r> {
    /// Returns a view without the address of the client and the id of the request.
    pub fn new(
        method: &'r Method,
        uri: &'r Uri,
        headers: &'r HeaderMap,
        extensions: &'r Extensions,
    ) -> RequestView<'r> {
        RequestView { method, uri, headers, extensions, peer: None, scheme: Scheme::Http, id: None }
    }

    /// Returns the path as the client sent it, percent-encoded.
    pub fn path(&self) -> &'r str {
        self.uri.path()
    }
}
