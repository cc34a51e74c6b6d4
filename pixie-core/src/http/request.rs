//! `Request`: what a client asked for, as a handler sees it.
//!
//! It owns the head, the body, the values of the path's wildcards and a handle to the app's state. It never reads from a
//! socket: for most handlers the body has been buffered before, for the others it is a stream that they poll.
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri, Version, header, header::AsHeaderName, request::Parts};

use crate::{
    Body, Cookies, FormLimits, Pairs, Parts as FormParts, Rejection, RejectionKind, RequestId, StateMap,
    plumbing::Plumbing,
};

/// A request, from its head to its body.
#[derive(Debug)]
pub struct Request {
    head: Parts,
    body: Body,
    plumbing: Plumbing,
}

impl Request {
    /// Takes a request from the http crate's type.
    pub fn from_http(request: http::Request<Body>) -> Request {
        let (head, body) = request.into_parts();
        Request { head, body, plumbing: Plumbing::default() }
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

    /// Returns the target as it was sent.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the path as it was sent, percent-encoded.
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

    /// Returns the protocol's version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns a header as text, if it is there and is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns the cookies that the client sent.
    pub fn cookies(&self) -> Cookies {
        Cookies::from_headers(self.headers())
    }

    /// Returns the body's bytes; a body that is still a stream shows none.
    pub fn body(&self) -> &[u8] {
        self.body.as_bytes().unwrap_or_default()
    }

    /// Says whether the body is here whole, not a stream that is still read.
    pub fn has_whole_body(&self) -> bool {
        self.body.as_bytes().is_some()
    }

    /// Returns the fields of a form, decoded; empty where the body is something else, or a form beyond the app's
    /// [`FormLimits`]: [`Request::parts`] tells which.
    pub fn form(&self) -> Pairs {
        match &self.plumbing.parts {
            Some(parts) => parts.fields.clone(),
            None => self.read_parts().map(|parts| parts.fields).unwrap_or_default(),
        }
    }

    /// Returns the fields and files of a form. A multipart body that is still whole is read now, in memory, and within the app's
    /// [`FormLimits`], as any form is.
    pub fn parts(&mut self) -> Result<&FormParts, Rejection> {
        let parts = match self.plumbing.parts.take() {
            Some(parts) => parts,
            None => Box::new(self.read_parts()?),
        };
        Ok(self.plumbing.parts.insert(parts))
    }

    fn read_parts(&self) -> Result<FormParts, Rejection> {
        if self.is_multipart() {
            return FormParts::read(self.headers(), self.body.shared_bytes(), &self.form_limits());
        }
        self.expect_media("application/x-www-form-urlencoded or multipart/form-data", is_urlencoded)?;
        Ok(FormParts { fields: Pairs::parse(self.urlencoded()?), files: Vec::new() })
    }

    /// Returns the text of an urlencoded form, if it is within the app's limits.
    pub(crate) fn urlencoded(&self) -> Result<&[u8], Rejection> {
        self.form_limits().check_urlencoded(self.body())?;
        Ok(self.body())
    }

    /// They are a value of the app like others, so that requests without a form do not carry them.
    fn form_limits(&self) -> Arc<FormLimits> {
        self.state().and_then(StateMap::get).unwrap_or_default()
    }

    /// Says whether the body is a multipart form.
    pub fn is_multipart(&self) -> bool {
        self.media_type().is_some_and(|media| media.eq_ignore_ascii_case("multipart/form-data"))
    }

    /// Says whether the body is an urlencoded form.
    pub fn is_urlencoded(&self) -> bool {
        self.media_type().is_some_and(is_urlencoded)
    }

    /// Returns the media type of the body, without its parameters (RFC 9110, section 8.3.1).
    fn media_type(&self) -> Option<&str> {
        let value = self.headers().get(header::CONTENT_TYPE)?.as_bytes();
        let media = value.split(|byte| *byte == b';').next()?.trim_ascii();
        std::str::from_utf8(media).ok().filter(|media| !media.is_empty())
    }

    /// Rejects a body whose media type is not the wanted one.
    pub(crate) fn expect_media(&self, wanted: &str, is_wanted: fn(&str) -> bool) -> Result<(), Rejection> {
        let (kind, detail) = match self.media_type() {
            Some(media) if is_wanted(media) => return Ok(()),
            Some(media) => (RejectionKind::MediaType, format!("the body is {media}: send it as {wanted}")),
            None if self.body().is_empty() => (RejectionKind::Missing, no_media_type(wanted)),
            None => (RejectionKind::MediaType, no_media_type(wanted)),
        };
        Err(Rejection::new(kind, detail))
    }

    /// Returns the address of the client, where it is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.plumbing.peer
    }

    /// Returns the request as HTTP/1.1 text: request line, headers and the buffered body.
    ///
    /// It is written from the parsed request, so header names are in lower case.
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

    /// Returns values that middleware attached to the request.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Returns values that middleware attached to the request, to change them.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// Returns the headers, to change them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Returns the app's values of this process.
    pub fn state(&self) -> Option<&StateMap> {
        self.plumbing.state.as_deref()
    }

    /// Returns the head and the client's address, as after hooks see them.
    pub fn view(&self) -> RequestView<'_> {
        RequestView::of(&self.head, self.peer(), self.id())
    }

    /// Takes the body out, whole or as a stream.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    /// Takes the body's bytes out; a body that is still a stream gives none.
    pub fn take_bytes(&mut self) -> Bytes {
        self.take_body().into_bytes().unwrap_or_default()
    }

    /// Puts a body in.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// Returns what the request is called in logs, where it has an id: see [`RequestId`].
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

    /// Takes the request with its body and leaves a copy of its head, which the error page reads.
    pub(crate) fn take(&mut self) -> Request {
        let left = self.plumbing.without_body();
        Request {
            head: self.head.clone(),
            body: self.take_body(),
            plumbing: std::mem::replace(&mut self.plumbing, left),
        }
    }
}

fn is_urlencoded(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn no_media_type(wanted: &str) -> String {
    format!("the request has no Content-Type: send the body as {wanted}")
}

/// What an after hook sees of the request: its head, as the handler got it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target as it was sent.
    pub uri: &'r Uri,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// What layers and before hooks attached to the request.
    pub extensions: &'r Extensions,
    /// The address of the client, where it is known.
    pub peer: Option<SocketAddr>,
    /// What the request is called in logs, where it has an id.
    pub id: Option<&'r RequestId>,
}

impl<'r> RequestView<'r> {
    /// Looks at a head and the client's address.
    pub(crate) fn of(head: &'r Parts, peer: Option<SocketAddr>, id: Option<&'r RequestId>) -> RequestView<'r> {
        let Parts { method, uri, headers, extensions, .. } = head;
        RequestView { method, uri, headers, extensions, peer, id }
    }

    /// Returns the path as it was sent, percent-encoded.
    pub fn path(&self) -> &'r str {
        self.uri.path()
    }
}
